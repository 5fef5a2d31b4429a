#include "storage/s3_xml.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>
#include <pugixml.hpp>

#include "net/percent.h"

namespace sluice {
namespace {

Result<pugi::xml_node> parse(pugi::xml_document& document, std::string_view body, const char* root) {
  const pugi::xml_parse_result parsed = document.load_buffer(body.data(), body.size(), pugi::parse_default | pugi::parse_ws_pcdata_single);
  const pugi::xml_node node = document.document_element();
  if (parsed && std::strcmp(node.name(), root) == 0) return node;
  return fail(ErrorCode::kUnavailable, fmt::format("the S3 service's answer is no {}: {:.200}", root, body));
}

/// encoding-type=url is the encoding of HTML forms: "+" is a blank there, and a plus is %2B.
std::string decoded(std::string_view text, bool is_encoded) {
  if (!is_encoded) return std::string(text);
  std::string with_blanks(text);
  std::ranges::replace(with_blanks, '+', ' ');
  return percent_decode(with_blanks);
}

void append_xml(std::string& out, std::string_view text) {
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '\n': out += "&#10;"; break;
      case '\r': out += "&#13;"; break;
      case '\t': out += "&#9;"; break;
      default: out += c;
    }
  }
}

}  // namespace

std::string without_quotes(std::string_view etag) {
  if (etag.size() >= 2 && etag.front() == '"' && etag.back() == '"') etag = etag.substr(1, etag.size() - 2);
  return std::string(etag);
}

S3ErrorBody parse_s3_error(std::string_view body) {
  pugi::xml_document document;
  document.load_buffer(body.data(), body.size());
  const pugi::xml_node error = document.select_node("//*[local-name()='Error']").node();
  return {error.child_value("Code"), error.child_value("Message"), error.child_value("Region")};
}

Result<ListPage> parse_s3_listing(std::string_view body, std::string_view root) {
  pugi::xml_document document;
  TRY_ASSIGN(const pugi::xml_node result, parse(document, body, "ListBucketResult"));
  const bool is_encoded = std::string_view(result.child_value("EncodingType")) == "url";
  ListPage page;
  for (const pugi::xml_node node : result.children("Contents")) {
    ObjectInfo info;
    info.path = std::string(root) + decoded(node.child_value("Key"), is_encoded);
    info.version = without_quotes(node.child_value("ETag"));
    info.size_bytes = node.child("Size").text().as_llong();
    info.modified_at = parse_timestamp(node.child_value("LastModified")).value_or(Timestamp{});
    // What consoles and some stores put for a folder is no file.
    if (info.size_bytes == 0 && info.path.ends_with('/')) continue;
    if (!page.objects.empty() && info.path < page.objects.back().path) page.in_byte_order = false;
    page.objects.push_back(std::move(info));
  }
  for (const pugi::xml_node node : result.children("CommonPrefixes")) {
    page.prefixes.push_back(std::string(root) + decoded(node.child_value("Prefix"), is_encoded));
  }
  if (result.child("IsTruncated").text().as_bool()) {
    page.next_token = result.child_value("NextContinuationToken");
    if (page.next_token.empty()) return fail(ErrorCode::kUnavailable, "the S3 service cut a listing and did not say how to go on");
  }
  return page;
}

Result<S3UnfinishedUploads> parse_s3_uploads(std::string_view body) {
  pugi::xml_document document;
  TRY_ASSIGN(const pugi::xml_node result, parse(document, body, "ListMultipartUploadsResult"));
  const bool is_encoded = std::string_view(result.child_value("EncodingType")) == "url";
  S3UnfinishedUploads uploads;
  for (const pugi::xml_node node : result.children("Upload")) {
    uploads.entries.push_back({decoded(node.child_value("Key"), is_encoded), node.child_value("UploadId")});
  }
  if (result.child("IsTruncated").text().as_bool()) {
    uploads.next_key_marker = decoded(result.child_value("NextKeyMarker"), is_encoded);
    uploads.next_id_marker = result.child_value("NextUploadIdMarker");
  }
  return uploads;
}

Result<std::string> parse_s3_upload_id(std::string_view body) {
  pugi::xml_document document;
  TRY_ASSIGN(const pugi::xml_node result, parse(document, body, "InitiateMultipartUploadResult"));
  std::string id = result.child_value("UploadId");
  if (id.empty()) return fail(ErrorCode::kUnavailable, "the S3 service began an upload without an id");
  return id;
}

Result<std::string> parse_s3_etag(std::string_view body) {
  pugi::xml_document document;
  document.load_buffer(body.data(), body.size());
  const pugi::xml_node root = document.document_element();
  if (std::strcmp(root.name(), "Error") == 0 || root.child("ETag").empty()) {
    const S3ErrorBody error = parse_s3_error(body);
    return fail(ErrorCode::kUnavailable, fmt::format("the S3 service answered 200 with an error: {} {}", error.code, error.message));
  }
  return without_quotes(root.child_value("ETag"));
}

std::string s3_complete_body(std::span<const S3Part> parts) {
  std::string out = "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">";
  for (size_t i = 0; i < parts.size(); ++i) {
    out += fmt::format("<Part><PartNumber>{}</PartNumber><ETag>\"{}\"</ETag>", i + 1, parts[i].etag);
    if (!parts[i].crc32c.empty()) out += fmt::format("<ChecksumCRC32C>{}</ChecksumCRC32C>", parts[i].crc32c);
    out += "</Part>";
  }
  return out + "</CompleteMultipartUpload>";
}

bool fits_xml(std::string_view key) {
  return std::ranges::none_of(key, [](char c) { return static_cast<unsigned char>(c) < 0x20 && c != '\t' && c != '\n' && c != '\r'; });
}

std::string s3_delete_body(std::span<const std::string> keys) {
  std::string out = "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Quiet>true</Quiet>";
  for (const std::string& key : keys) {
    out += "<Object><Key>";
    append_xml(out, key);
    out += "</Key></Object>";
  }
  return out + "</Delete>";
}

Result<std::vector<S3DeleteFault>> parse_s3_delete_result(std::string_view body) {
  pugi::xml_document document;
  TRY_ASSIGN(const pugi::xml_node result, parse(document, body, "DeleteResult"));
  std::vector<S3DeleteFault> faults;
  for (const pugi::xml_node node : result.children("Error")) {
    faults.push_back({node.child_value("Key"), node.child_value("Code"), node.child_value("Message")});
  }
  return faults;
}

Result<std::vector<ObjectTag>> parse_s3_tagging(std::string_view body) {
  pugi::xml_document document;
  TRY_ASSIGN(const pugi::xml_node result, parse(document, body, "Tagging"));
  std::vector<ObjectTag> tags;
  for (const pugi::xml_node node : result.child("TagSet").children("Tag"))
    tags.push_back({node.child_value("Key"), node.child_value("Value")});
  return tags;
}

std::string s3_tagging_body(std::span<const ObjectTag> tags) {
  std::string out = "<Tagging xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><TagSet>";
  for (const ObjectTag& tag : tags) {
    out += "<Tag><Key>";
    append_xml(out, tag.name);
    out += "</Key><Value>";
    append_xml(out, tag.value);
    out += "</Value></Tag>";
  }
  return out + "</TagSet></Tagging>";
}

}  // namespace sluice
