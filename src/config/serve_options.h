// How `sluice serve` behaves: its flags. Values only.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sluice {

enum class Auth {
  kAuto,    ///< tokens, once the ledger has one; before that only on this machine's own addresses
  kTokens,  ///< always
  kNone,    ///< nobody is asked
};

struct ServeOptions {
  std::string host = "127.0.0.1";
  int port = 8000;  ///< 0: any free one
  Auth auth = Auth::kAuto;
  std::vector<std::string> local_roots;  ///< folders (absolute paths) below which LOCAL sources of the API may lie
  int runs_max = 2;                      ///< runs executed at once
  int64_t pending_max = 1000;            ///< runs that wait, of the whole ledger
  int threads = 0;                       ///< files read at once by each run; 0: one per core
  double requests_per_second_max = 200;  ///< of one token or address, on average; bursts of twice as many; 0: no limit
  std::string key_file;                  ///< of the sealing key
};

}  // namespace sluice
