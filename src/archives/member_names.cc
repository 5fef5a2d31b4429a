#include "archives/member_names.h"

#include <array>

#include <fmt/format.h>
#include <xxhash.h>

#include "base/utf8.h"
#include "model/file.h"

namespace sluice {
namespace {

constexpr size_t kShownNameBytesMax = 1000;

/// Bytes that are no UTF-8, and zeros, as \xNN; cut where it is too long.
std::string printable(std::string_view name) {
  std::string text;
  for (size_t at = 0; at < name.size() && text.size() < kShownNameBytesMax;) {
    const CodePoint point = code_point_at(name, at);
    const bool shown = point.valid && name[at] != '\0';
    if (shown) {
      text += name.substr(at, point.length);
    } else {
      for (size_t i = 0; i < point.length; ++i) text += fmt::format("\\x{:02x}", static_cast<unsigned char>(name[at + i]));
    }
    at += point.length;
  }
  return text;
}

/// The parts of a name joined again; what is wrong with them goes to `problem`.
std::string joined(std::string_view raw, std::string& problem) {
  std::string name;
  int depth = 0;
  for (size_t at = 0; at <= raw.size();) {
    const size_t end = std::min(raw.find('/', at), raw.size());
    const std::string_view part = raw.substr(at, end - at);
    at = end + 1;
    if (part.empty() || part == ".") continue;
    if (part == "..") problem = "its name leads out of the archive (..)";
    if (!name.empty()) name += '/';
    name += part;
    if (++depth > kMemberDepthMax + 1) problem = fmt::format("it lies more than {} folders deep", kMemberDepthMax);
  }
  return name;
}

}  // namespace

void MemberNames::set_name(Member& member, std::string_view raw) {
  std::string problem;
  std::string name = joined(raw, problem);
  if (raw.starts_with('/')) problem = "its name is absolute; members are named relative to their archive";
  if (name.empty()) problem = "it has no name";
  if (!is_utf8(raw) || raw.contains('\0')) problem = "its name is no text in UTF-8";
  if (!problem.empty()) {
    name = printable(raw.empty() ? "unnamed" : raw);
    member.problem_type = error_type::kBadName;
    member.problem = problem + "; it was not loaded. Pack it again under another name";
  }
  member.name = name;
  const auto [first, is_new] = take(name);
  if (is_new) return;
  for (int& number = *first;;) {
    member.name = fmt::format("{}#{}", name, number++);
    if (take(member.name).second) return;
  }
}

std::pair<int*, bool> MemberNames::take(std::string_view name) {
  const auto [at, is_new] = taken_.try_emplace(XXH3_64bits(name.data(), name.size()), 2);
  return {&at->second, is_new};
}

std::string from_code_page_437(std::string_view bytes) {
  // The upper half, code point by code point.
  static constexpr std::array<char16_t, 128> kUpper = {
      0x00c7, 0x00fc, 0x00e9, 0x00e2, 0x00e4, 0x00e0, 0x00e5, 0x00e7, 0x00ea, 0x00eb, 0x00e8, 0x00ef, 0x00ee, 0x00ec, 0x00c4, 0x00c5,
      0x00c9, 0x00e6, 0x00c6, 0x00f4, 0x00f6, 0x00f2, 0x00fb, 0x00f9, 0x00ff, 0x00d6, 0x00dc, 0x00a2, 0x00a3, 0x00a5, 0x20a7, 0x0192,
      0x00e1, 0x00ed, 0x00f3, 0x00fa, 0x00f1, 0x00d1, 0x00aa, 0x00ba, 0x00bf, 0x2310, 0x00ac, 0x00bd, 0x00bc, 0x00a1, 0x00ab, 0x00bb,
      0x2591, 0x2592, 0x2593, 0x2502, 0x2524, 0x2561, 0x2562, 0x2556, 0x2555, 0x2563, 0x2551, 0x2557, 0x255d, 0x255c, 0x255b, 0x2510,
      0x2514, 0x2534, 0x252c, 0x251c, 0x2500, 0x253c, 0x255e, 0x255f, 0x255a, 0x2554, 0x2569, 0x2566, 0x2560, 0x2550, 0x256c, 0x2567,
      0x2568, 0x2564, 0x2565, 0x2559, 0x2558, 0x2552, 0x2553, 0x256b, 0x256a, 0x2518, 0x250c, 0x2588, 0x2584, 0x258c, 0x2590, 0x2580,
      0x03b1, 0x00df, 0x0393, 0x03c0, 0x03a3, 0x03c3, 0x00b5, 0x03c4, 0x03a6, 0x0398, 0x03a9, 0x03b4, 0x221e, 0x03c6, 0x03b5, 0x2229,
      0x2261, 0x00b1, 0x2265, 0x2264, 0x2320, 0x2321, 0x00f7, 0x2248, 0x00b0, 0x2219, 0x00b7, 0x221a, 0x207f, 0x00b2, 0x25a0, 0x00a0};
  std::string text;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    append_utf8(byte < 0x80 ? byte : kUpper[byte - 0x80], text);
  }
  return text;
}

}  // namespace sluice
