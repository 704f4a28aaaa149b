#include "rule/rule_chain.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "rule/chain_rules.h"
#include "rule/digest.h"
#include "rule/node_reader.h"

namespace tailrace {
namespace {

// A kept file of a chain is named by its place in it: "2:lib.names".
std::string kept_name(size_t link, const std::string& name) { return fmt::format("{}:{}", link + 1, name); }

// The part of a kept chain that is one file's.
std::shared_ptr<const RuleSource> kept_link(const RuleSource& chain, size_t link, const std::string& file) {
  auto out = std::make_shared<RuleSource>();
  out->file = file;
  std::string prefix = kept_name(link, "");
  for (const auto& [name, kept] : chain.files) {
    if (name.starts_with(prefix)) out->files[name.substr(prefix.size())] = kept;
  }
  return out;
}

// Every option that the job gives must be one of some file.
Status check_options(const RuleOptions& options, const ChainRules& chain) {
  std::vector<std::string> names;
  for (const auto& link : chain.links) {
    for (const auto& [name, value] : link->spec.options) names.push_back(name);
    for (const auto& [name, value] : link->spec.secrets) names.push_back(name);
  }
  for (const auto& [name, value] : options.options) {
    if (std::find(names.begin(), names.end(), name) != names.end()) continue;
    return load_error(fmt::format("the job gives option `{}`, which none of the rule files {} declares{}", name, chain_text(chain.file),
                                  did_you_mean(name, names)));
  }
  return Status();
}

// "mask+route@9f3ac1"
std::string version_of(const ChainRules& chain) {
  std::string stems;
  for (const auto& link : chain.links) stems += (stems.empty() ? "" : "+") + link->version.substr(0, link->version.rfind('@'));
  return stems + "@" + chain.hash.substr(0, 6);
}

}  // namespace

RuleSource ChainRules::source() const {
  RuleSource out;
  out.hash = hash;
  out.version = version;
  out.file = file;
  for (size_t i = 0; i < links.size(); ++i) {
    RuleSource link = links[i]->source();
    for (auto& [name, kept] : link.files) out.files[kept_name(i, name)] = std::move(kept);
  }
  return out;
}

std::vector<std::string> chain_files(std::string_view name) {
  std::vector<std::string> files;
  for (size_t begin = 0; begin <= name.size();) {
    size_t end = std::min(name.find('\n', begin), name.size());
    files.emplace_back(name.substr(begin, end - begin));
    begin = end + 1;
  }
  return files;
}

std::string chain_text(std::string_view name) {
  std::string out;
  for (const std::string& file : chain_files(name)) out += (out.empty() ? "" : ", ") + file;
  return out;
}

std::map<std::string, std::string> options_for(const RuleOptions& options, const RuleNode& root) {
  if (!options.is_link) return options.options;
  std::map<std::string, std::string> out;
  const RuleNode* declared = root.find("options");
  for (const auto& [name, value] : options.options) {
    if (declared && declared->find(name)) out[name] = value;
  }
  return out;
}

Result<std::shared_ptr<RuleSet>> load_chain(const RuleOptions& options, const LoadRules& load) {
  auto chain = std::make_shared<ChainRules>();
  chain->file = rule_file(options);
  std::vector<std::string> files = chain_files(chain->file);
  std::string ordered, hashes;
  for (size_t i = 0; i < files.size(); ++i) {
    RuleOptions one = options;
    one.file = files[i];
    one.is_link = true;
    if (options.stored) one.stored = kept_link(*options.stored, i, files[i]);
    if (files[i].empty()) return load_error(fmt::format("the list of rule files {} has an empty name", chain_text(chain->file)));
    TAILRACE_TRY(auto link, load(one));
    if (link->spec.memory.ordered) {
      if (!ordered.empty()) {
        return load_error(fmt::format("both {} and {} have mode = \"ordered\"; one file of a chain may", ordered, files[i]))
            .with("rule", chain_text(chain->file));
      }
      ordered = files[i];
    }
    hashes += link->source().hash + "\n";
    chain->links.push_back(std::move(link));
  }
  TAILRACE_OK(check_options(options, *chain));
  chain->hash = sha256_hex("chain\n" + hashes);
  chain->version = version_of(*chain);
  // What is asked of a rule set as a whole: the rest is asked of its files.
  for (const auto& link : chain->links) {
    if (link->spec.fallback != RuleSpec::Default::kKeep) chain->spec.fallback = RuleSpec::Default::kDrop;
    chain->spec.options.insert(link->spec.options.begin(), link->spec.options.end());
    chain->spec.secrets.insert(link->spec.secrets.begin(), link->spec.secrets.end());
  }
  return std::shared_ptr<RuleSet>(std::move(chain));
}

bool is_chain(const RuleSet& rules) noexcept { return dynamic_cast<const ChainRules*>(&rules) != nullptr; }

std::vector<std::shared_ptr<const RuleSet>> chain_links(const std::shared_ptr<const RuleSet>& rules) {
  if (const auto* chain = dynamic_cast<const ChainRules*>(rules.get())) return chain->links;
  return {rules};
}

}  // namespace tailrace
