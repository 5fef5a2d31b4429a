#include "base/redaction.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

// Prevents: a secret in a log or an answer because some library put it into its message; and a secret of one letter that hides every e.
TEST(Redaction, HidesWhatItKnows) {
  Redaction redaction;
  redaction.hide("hunter2-secret");
  redaction.hide("e");
  EXPECT_EQ(redaction.apply("key hunter2-secret, again hunter2-secret."), "key ***, again ***.");
  EXPECT_EQ(redaction.apply("nothing here"), "nothing here");
}

// Prevents: passwords and signatures that nobody told us of, in what a server or a library says: in URLs, queries, forms, JSON, headers.
TEST(WithoutSecrets, HidesWhatLooksLikeOne) {
  EXPECT_EQ(without_secrets("GET https://ann:s3cr3t@host:80/a?x=1: refused"), "GET https://***@host:80/a?x=1: refused");
  EXPECT_EQ(without_secrets("postgresql://ann:p@ss@db/x"), "postgresql://***@db/x");
  EXPECT_EQ(without_secrets("PUT http://s3/b/k?X-Amz-Credential=AKIA/2026&X-Amz-Date=1&X-Amz-Signature=abc123 failed"),
            "PUT http://s3/b/k?X-Amz-Credential=***&X-Amz-Date=1&X-Amz-Signature=*** failed");
  EXPECT_EQ(without_secrets("grant_type=client_credentials&client_id=me&client_secret=abc"),
            "grant_type=client_credentials&client_id=me&client_secret=***");
  EXPECT_EQ(without_secrets("{\"access_token\": \"eyJhbGci.x-y_z\", \"expires_in\": 3600}"),
            "{\"access_token\": \"***\", \"expires_in\": 3600}");
  EXPECT_EQ(without_secrets("in JSON: {\\\"password\\\":\\\"abc\\\"}"), "in JSON: {\\\"password\\\":\\\"***\\\"}");
  EXPECT_EQ(without_secrets("Authorization: AWS4-HMAC-SHA256 Credential=AK/x, SignedHeaders=host, Signature=00ff"),
            "Authorization: AWS4-HMAC-SHA256 ***, SignedHeaders=host, Signature=***");
  EXPECT_EQ(without_secrets("authorization: Basic dXNlcjpwYXNz"), "authorization: Basic ***");
  EXPECT_EQ(without_secrets("sent bearer 0123456789abcdef"), "sent bearer ***");
}

// Prevents: messages that say nothing any more: hidden paths, places and prose.
TEST(WithoutSecrets, LeavesTheRest) {
  for (const char* text : {"", "://", "s3://bucket/a@b/token=1/sig=2.json: line 17: expected ',' or '}' (byte 2041)",
                           "file:///data/x@y.json", "send Authorization: Bearer TOKEN; `sluice token create` makes one",
                           "token: this one has expired", "the token = ", "Authorization: ", "bearer of news", "assignment=5&design=6",
                           "{\"token\": [], \"secret\": {\"type\": \"string\"}}"}) {
    EXPECT_EQ(without_secrets(text), text);
  }
}

}  // namespace
}  // namespace sluice
