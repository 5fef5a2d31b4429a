// A zip of stored members, byte by byte: archives for tests of the pipeline.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace sluice {

inline uint32_t zip_checksum(const std::string& bytes) {
  uint32_t crc = 0xffffffff;
  for (const char c : bytes) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc;
}

inline std::string small_zip(const std::vector<std::pair<std::string, std::string>>& members) {
  std::string zip, directory;
  const auto put = [](std::string& out, uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i));
  };
  for (const auto& [name, content] : members) {
    const auto shared = [&](std::string& out) {  // version, flags, method, time, date, checksum, two sizes, length of the name
      put(out, 20, 2), put(out, 0, 2), put(out, 0, 2), put(out, 0, 2), put(out, 33, 2);
      put(out, zip_checksum(content), 4), put(out, content.size(), 4), put(out, content.size(), 4), put(out, name.size(), 2);
    };
    directory += std::string("PK\x01\x02\x14\x00", 6);
    shared(directory);
    directory.append(12, '\0');  // extra, comment, disk, attributes
    put(directory, zip.size(), 4);
    directory += name;
    zip += std::string("PK\x03\x04", 4);
    shared(zip);
    put(zip, 0, 2);
    zip += name + content;
  }
  const size_t begin = zip.size();
  zip += directory + std::string("PK\x05\x06\x00\x00\x00\x00", 8);
  put(zip, members.size(), 2), put(zip, members.size(), 2), put(zip, directory.size(), 4), put(zip, begin, 4), put(zip, 0, 2);
  return zip;
}

}  // namespace sluice
