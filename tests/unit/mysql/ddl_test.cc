// Schema changes against what real servers made of them: ddl_cases.jsonl, recorded by record_ddl_cases.py. Another file
// can be named in TAILRACE_DDL_CASES.
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "mysql/collation.h"
#include "mysql/ddl_apply.h"
#include "unit/catch.h"

using namespace tailrace;
using nlohmann::json;

namespace {

// What one side has and the other has not.
std::string difference(const std::map<std::string, std::vector<std::string>>& have,
                       const std::map<std::string, std::vector<std::string>>& expected) {
  std::string out;
  auto lines = [&](const char* sign, const auto& some, const auto& others) {
    for (const auto& [name, text] : some) {
      auto other = others.find(name);
      for (size_t i = 0; i < text.size(); ++i) {
        if (other == others.end() || i >= other->second.size() || other->second[i] != text[i])
          out += std::string(sign) + name + ": " + text[i] + "\n";
      }
    }
  };
  lines("- ", have, expected);
  lines("+ ", expected, have);
  return out;
}

std::vector<std::string> shape(const TableSchema& schema, bool is_mariadb) {
  std::vector<std::string> out;
  for (const Column& c : schema.columns) {
    std::string collation =
        c.charset == 0 || c.kind == Kind::kBytes || c.kind == Kind::kGeometry ? "-" : collation_name(c.charset, is_mariadb);
    out.push_back(c.name + " " + c.type_text + (c.nullable ? " NULL " : " NOT NULL ") + collation +
                  (c.is_virtual  ? " virtual"
                   : c.generated ? " stored"
                                 : ""));
  }
  std::string key = "key";
  for (uint16_t index : schema.primary_key) key += " " + schema.columns[index].name;
  out.push_back(key);
  out.push_back("default " + collation_name(schema.collation, is_mariadb));
  return out;
}

// The tables of one case, as SchemaTracker keeps them but without positions.
struct Model {
  DdlContext context;
  std::map<std::string, SchemaRef> tables;
  std::set<std::string> unknown;  // "not known from here"
  std::string problem;

  void run(const std::string& sql, const SqlReading& reading) {
    problem.clear();
    DdlStatement ddl = read_ddl(sql, "d", reading);
    if (!ddl.not_followed.empty()) problem = ddl.not_followed;
    auto put = [&](const std::string& name, Result<SchemaRef> made) {
      unknown.erase(name);
      tables.erase(name);
      if (made.ok()) {
        tables[(*made)->table] = *made;
      } else {
        problem = made.status().to_string();
        unknown.insert(name);
      }
    };
    auto exists = [&](const std::string& name) { return tables.count(name) || unknown.count(name); };
    auto move = [&](const DdlName& from, const DdlName& to) {
      auto found = tables.find(from.table);
      if (unknown.erase(from.table)) unknown.insert(to.table);
      if (found == tables.end()) return;
      SchemaRef moved = renamed_table(*found->second, to);
      tables.erase(found);
      tables[moved->table] = moved;
    };
    using Kind = DdlStatement::Kind;
    const std::string name = ddl.tables.empty() ? "" : ddl.tables[0].table;
    switch (ddl.kind) {
      case Kind::kCreateTable:
        if (!ddl.conditional || !exists(name)) put(name, create_table(ddl, context));
        break;
      case Kind::kCreateLike: {
        if (ddl.conditional && exists(name)) break;
        unknown.erase(name);
        const std::string& source = ddl.tables[1].table;
        if (tables.count(source)) tables[name] = renamed_table(*tables[source], ddl.tables[0]);
        else unknown.insert(name);
        break;
      }
      case Kind::kAlterTable: {
        auto before = tables.find(name);
        if (before != tables.end()) {
          put(name, alter_table(*before->second, ddl, context));
          break;
        }
        for (const TableItem& item : ddl.items) {
          if (item.verb == TableItem::Verb::kRenameTable) move(ddl.tables[0], {"d", item.new_name});
        }
        break;
      }
      case Kind::kDropTables:
        for (const DdlName& gone : ddl.tables) {
          tables.erase(gone.table);
          unknown.erase(gone.table);
        }
        break;
      case Kind::kRenameTables:
        for (size_t i = 0; i + 1 < ddl.tables.size(); i += 2) move(ddl.tables[i], ddl.tables[i + 1]);
        break;
      case Kind::kAlterDatabase: context.database_collation = resolve_charset(ddl.charset, context.database_collation, context); break;
      default: break;
    }
  }
};

}  // namespace

TEST_CASE("Schema changes give what the servers' catalogues show") {
  const char* other = std::getenv("TAILRACE_DDL_CASES");
  std::ifstream file(other ? other : TAILRACE_DDL_CASES);
  REQUIRE(file.good());
  std::string line;
  size_t statements = 0, wrong = 0, not_followed = 0;
  while (std::getline(file, line)) {
    json record = json::parse(line);
    Model model;
    std::map<std::string, std::vector<std::string>> shown;
    model.context.is_mariadb = record.at("mariadb").get<bool>();
    model.context.version = record.at("version").get<uint32_t>();
    model.context.database_collation = collation_by_name(record.at("database").get<std::string>(), model.context.is_mariadb);
    REQUIRE(model.context.database_collation != 0);
    for (const json& step : record.at("steps")) {
      SqlReading reading{false, false, model.context.is_mariadb, model.context.version};
      std::string mode = step.value("mode", "");
      reading.ansi_quotes = mode.find("ANSI") != std::string::npos;
      reading.no_backslash_escapes = mode.find("NO_BACKSLASH_ESCAPES") != std::string::npos;
      model.context.real_as_float = mode.find("REAL_AS_FLOAT") != std::string::npos || mode == "ANSI";
      model.context.explicit_timestamps = step.value("explicit_timestamps", true);
      std::string sql = step.at("sql").get<std::string>();
      model.run(sql, reading);
      ++statements;
      std::map<std::string, std::vector<std::string>> have;
      for (const auto& [name, lines] : step.at("tables").items()) {
        if (lines.is_null()) shown.erase(name);
        else shown[name] = lines.get<std::vector<std::string>>();
      }
      std::map<std::string, std::vector<std::string>> expected = shown;
      if (!model.problem.empty()) {
        ++not_followed;
        if (other) std::cout << "not followed: " << model.problem << "\n    " << sql << std::endl;
        CHECK((other != nullptr || record.contains("seed")));  // those written down are followed, all of them
      }
      for (const std::string& name : model.unknown) expected.erase(name);
      for (const auto& [name, schema] : model.tables) have[name] = shape(*schema, model.context.is_mariadb);
      INFO((model.context.is_mariadb ? "MariaDB: " : "MySQL: ") << sql << "\n" << model.problem);
      CHECK(difference(have, expected) == "");
      if (have != expected) ++wrong;
      if (have != expected) break;  // what follows would only repeat it
    }
  }
  if (other) std::cout << statements << " statements, " << not_followed << " not followed, " << wrong << " wrong" << std::endl;
  CHECK(statements > 0);
}
