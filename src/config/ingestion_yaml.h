// One entry of `ingestions:` -> Ingestion. Pure.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "config/yaml_reader.h"
#include "model/ingestion.h"

namespace sluice {

/// Validated. `warnings` receives what works, but not as one might think.
Result<Ingestion> read_ingestion(const YamlFile& file, const std::string& name, const YAML::Node& node,
                                 std::span<const std::string> catalogs, std::vector<std::string>& warnings);

}  // namespace sluice
