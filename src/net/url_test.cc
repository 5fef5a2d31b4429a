#include "net/url.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

// Prevents a secret with "&" or "=" from becoming two fields of a form.
TEST(Url, EncodesPairs) { EXPECT_EQ(encode_pairs({{"a", "1 2"}, {"b&", "="}}), "a=1%202&b%26=%3D"); }

// Prevents passwords of a URL from reaching the ledger, logs and messages.
TEST(Url, ShownWithoutSecrets) {
  EXPECT_EQ(shown_url("https://me:secret@host:8181/api/?key=secret#x"), "https://host:8181/api");
  EXPECT_EQ(shown_url("http://host/"), "http://host");
  EXPECT_EQ(shown_url("http://host/a@b"), "http://host/a@b");
  EXPECT_EQ(shown_url("not a url"), "not a url");
}

}  // namespace
}  // namespace sluice
