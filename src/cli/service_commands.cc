// serve, token: the service and who may call it.
#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <charconv>

#include "cli/command.h"
#include "cli/text_table.h"
#include "config/access_token.h"
#include "storage/local_path.h"

namespace sluice {
namespace {

using nlohmann::json;

struct ServeFlags {
  std::string listen = "127.0.0.1:8000";
  std::string auth = "auto";
  std::vector<std::string> roots;
  ServeOptions options;
};

/// "127.0.0.1:8000", "[::1]:8000", ":8000" (every address).
Result<void> read_listen(const std::string& text, ServeOptions& options) {
  const size_t colon = text.rfind(':');
  const std::string port = colon == std::string::npos ? "" : text.substr(colon + 1);
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), options.port);
  if (port.empty() || error != std::errc() || end != port.data() + port.size() || options.port < 0 || options.port > 65535) {
    return invalid_input(fmt::format("--listen {}: write ADDRESS:PORT, as in 127.0.0.1:8000", text));
  }
  options.host = text.substr(0, colon);
  if (options.host.starts_with('[') && options.host.ends_with(']')) options.host = options.host.substr(1, options.host.size() - 2);
  if (options.host.empty()) options.host = "0.0.0.0";
  return {};
}

Result<void> serve(CommandLine& line, ServeFlags flags) {
  TRY(read_listen(flags.listen, flags.options));
  flags.options.auth = flags.auth == "none" ? Auth::kNone : flags.auth == "tokens" ? Auth::kTokens : Auth::kAuto;
  for (const std::string& root : flags.roots) {
    TRY_ASSIGN(const std::string uri, absolute_uri(root));
    TRY_ASSIGN(std::string path, local_path(uri));
    flags.options.local_roots.push_back(std::move(path));
  }
  flags.options.key_file = line.key_file();
  TRY_ASSIGN(const Config config, read_configuration(line));
  Console console(stdout, stderr, line.verbosity(), /*silent=*/false, line.clock);
  for (const std::string& warning : config.warnings) console.warning(warning);
  return line.serve(config, flags.options, [&] { return line.assemble(config, LedgerMode::kCreate); }, line.stop);
}

json token_json(const TokenRecord& token) {
  return {{"id", token.id},
          {"tenant", token.tenant},
          {"name", token.name},
          {"created_at", to_text(token.created_at)},
          {"revoked_at", token.revoked_at ? json(to_text(*token.revoked_at)) : json(nullptr)}};
}

Result<void> create_token(CommandLine& line, const std::string& tenant, const std::string& name) {
  TRY_ASSIGN(Opened opened, open_parts(line, LedgerMode::kCreate));
  const NewToken token = make_access_token(tenant, name);
  TRY(opened.parts->service_records().add_token(token.record));
  if (line.flags.json) {
    line.print(json{{"id", token.record.id}, {"tenant", tenant}, {"name", name}, {"token", token.text}}.dump(2) + "\n");
  } else {
    line.print(token.text + "\n");
  }
  return {};
}

Result<void> list_tokens(CommandLine& line, const std::string& tenant) {
  TRY_ASSIGN(Opened opened, open_parts(line, LedgerMode::kMustExist));
  TRY_ASSIGN(const auto tokens, opened.parts->service_records().tokens(tenant));
  json list = json::array();
  std::vector<std::vector<std::string>> rows;
  for (const TokenRecord& token : tokens) {
    list.push_back(token_json(token));
    rows.push_back({token.id, token.tenant, token.name, to_text(token.created_at), token.revoked_at ? to_text(*token.revoked_at) : "-"});
  }
  line.print(line.flags.json ? json{{"tokens", list}}.dump(2) + "\n" : text_table({"ID", "TENANT", "NAME", "CREATED", "REVOKED"}, rows));
  return {};
}

Result<void> revoke_token(CommandLine& line, const std::string& id) {
  TRY_ASSIGN(Opened opened, open_parts(line, LedgerMode::kMustExist));
  TRY(opened.parts->service_records().revoke_token(id));
  line.print(line.flags.json ? json{{"revoked", id}}.dump(2) + "\n" : fmt::format("Revoked {}\n", id));
  return {};
}

void add_token_commands(CLI::App& app, CommandLine& line) {
  auto* token = app.add_subcommand("token", "Tokens of the REST API");
  token->require_subcommand(1);
  auto tenant = std::make_shared<std::string>(), name = std::make_shared<std::string>();
  auto* create = token->add_subcommand("create", "Make a token and print it, this once");
  create->add_option("--tenant", *tenant, "Whose ingestions it sees")->required();
  create->add_option("--name", *name, "A label for people");
  create->callback([&line, tenant, name] {
    if (auto done = create_token(line, *tenant, *name); !done) line.exit_code = line.usage(done.error());
  });
  auto of = std::make_shared<std::string>();
  auto* list = token->add_subcommand("list", "Tokens, oldest first; never the secrets");
  list->add_option("--tenant", *of, "Only this tenant's");
  list->callback([&line, of] {
    if (auto done = list_tokens(line, *of); !done) line.exit_code = line.usage(done.error());
  });
  auto id = std::make_shared<std::string>();
  auto* revoke = token->add_subcommand("revoke", "Close a token for good");
  revoke->add_option("ID", *id, "As `token list` shows it")->required();
  revoke->callback([&line, id] {
    if (auto done = revoke_token(line, *id); !done) line.exit_code = line.usage(done.error());
  });
}

}  // namespace

void add_service_commands(CLI::App& app, CommandLine& line) {
  auto* command = app.add_subcommand("serve", "REST API and schedules, until SIGTERM");
  auto flags = std::make_shared<ServeFlags>();
  command->add_option("--listen", flags->listen, "ADDRESS:PORT; port 0: any free one")->capture_default_str();
  command
      ->add_option("--auth", flags->auth,
                   "auto: tokens once there is one, before that only from this machine; tokens: always; none: nobody is asked")
      ->check(CLI::IsMember({"auto", "tokens", "none"}))
      ->capture_default_str();
  command->add_option("--source-root", flags->roots, "Folder below which LOCAL sources of the API may lie (repeatable)");
  command->add_option("--runs-max", flags->options.runs_max, "Runs at once")->check(CLI::Range(1, 64))->capture_default_str();
  command->add_option("--pending-max", flags->options.pending_max, "Runs that may wait")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  command->add_option("--threads", flags->options.threads, "Files read at once by each run (default: one per core)")
      ->check(CLI::Range(1, 1024));
  command->add_option("--rate-max", flags->options.requests_per_second_max, "Requests per second of one token or address; 0: no limit")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->callback([&line, flags] {
    if (auto done = serve(line, *flags); !done) line.exit_code = line.usage(done.error());
  });
  add_token_commands(app, line);
}

}  // namespace sluice
