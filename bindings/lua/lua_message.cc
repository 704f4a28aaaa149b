// Functions of the prelude about messages: what `row` says of them, and those that `serialize` writes.
#include "lua_abi.h"
#include "rule/message_plan.h"
#include "rule/stage_plans.h"

namespace tailrace {
namespace {

enum class Said : int32_t { kTopic = 1, kPartitionKey = 2, kHeader = 3, kKey = 4, kTo = 5 };
constexpr size_t kMaxHeaders = 64;
constexpr int32_t kNoTableName = 3;

std::string_view kept(EventBatch& batch, const char* text, uint32_t size) { return {batch.arena.copy({text, size}), size}; }

RowSaid* new_route(EventBatch& batch, const EventRoute* from) {
  auto* route = new (batch.arena.allocate(sizeof(RowSaid), alignof(RowSaid))) RowSaid();
  if (from) static_cast<EventRoute&>(*route) = *from;
  return route;
}

int32_t note(EventBatch& batch, EventRoute& route, Said what, std::string_view name, std::string_view text) {
  switch (what) {
    case Said::kTopic: route.topic = text; return 0;
    case Said::kPartitionKey: route.partition_key = text; return 0;
    case Said::kKey:
      route.key = text;
      route.has_key = true;
      return 0;
    case Said::kTo: return 1;  // not of a message
    case Said::kHeader:
      if (route.headers.size() >= kMaxHeaders) return 1;
      set_header(route, name, text, batch.arena);
      return 0;
  }
  return 1;
}

int32_t say(LuaHostData* host, uint32_t hooked, int32_t what, const char* name, uint32_t name_size, const char* text,
            uint32_t size) noexcept {
  try {
    EventBatch& batch = *host->batch;
    RowSaid*& route = host->abi.events[hooked].route;
    if (!route) route = new_route(batch, nullptr);
    if (static_cast<Said>(what) == Said::kTo) {
      if (!is_table_name({text, size})) return kNoTableName;
      route->to = kept(batch, text, size);
      return 0;
    }
    return note(batch, *route, static_cast<Said>(what), kept(batch, name, name_size), kept(batch, text, size));
  } catch (const std::bad_alloc&) {
    return 2;
  }
}

void begin_message(LuaHostData* host, uint32_t hooked) noexcept {
  host->payload.clear();
  host->abi.events[hooked].route = nullptr;
}

void put(LuaHostData* host, const char* text, uint32_t size) noexcept { host->payload.append(text, size); }

int32_t put_column(LuaPlan* plan, int32_t column, int32_t cell, int32_t filter) noexcept {
  LuaHostData* host = plan->host;
  std::span<const TextFilter> filters;
  if (filter >= 0) filters = {&host->filters[static_cast<size_t>(filter)], 1};
  FilterFault fault = append_filtered(filters, host->abi.cells[cell], plan->columns[column], host->payload);
  if (fault == FilterFault::kNone) return 0;
  set_host_text(host, fault == FilterFault::kNull ? "is NULL; out:col(name, \"or:text\") gives NULL a text" : describe_fault(fault));
  return 1;
}

int32_t find_filter(LuaHostData* host, const char* text, uint32_t size) noexcept {
  auto filter = parse_filter({text, size});
  if (!filter.ok()) {
    set_host_text(host, filter.status().detail());
    return -1;
  }
  host->filters.push_back(std::move(filter).value());
  return static_cast<int32_t>(host->filters.size() - 1);
}

// The route of the event is shared with others that came from one row: each message gets its own.
EventRoute& own_route(LuaHostData* host, uint32_t hooked) {
  RowSaid*& route = host->abi.events[hooked].route;
  if (!route) route = new_route(*host->batch, host->batch->events[host->abi.events[hooked].event].route);
  return *route;
}

int32_t say_message(LuaHostData* host, uint32_t hooked, int32_t what, const char* name, uint32_t name_size, const char* text,
                    uint32_t size) noexcept {
  try {
    EventBatch& batch = *host->batch;
    return note(batch, own_route(host, hooked), static_cast<Said>(what), kept(batch, name, name_size), kept(batch, text, size));
  } catch (const std::bad_alloc&) {
    return 2;
  }
}

int32_t end_message(LuaHostData* host, uint32_t hooked) noexcept {
  if (host->payload.empty()) return 1;
  EventBatch& batch = *host->batch;
  EventRoute& route = own_route(host, hooked);
  route.payload = kept(batch, host->payload.data(), static_cast<uint32_t>(host->payload.size()));
  route.has_payload = true;
  batch.events[host->abi.events[hooked].event].route = &route;
  return 0;
}

}  // namespace

void fill_message_abi(LuaHostAbi& abi) noexcept {
  abi.say = say;
  abi.begin_message = begin_message;
  abi.put = put;
  abi.put_column = put_column;
  abi.find_filter = find_filter;
  abi.say_message = say_message;
  abi.end_message = end_message;
}

}  // namespace tailrace
