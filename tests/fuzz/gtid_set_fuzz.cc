// GTIDs, sets of them and positions of both families: text and encoded forms come back the same.
#include "fuzz/fuzz.h"
#include "mysql/binlog_event.h"
#include "mysql/gtid.h"

using namespace tailrace;

namespace {

void check(const MysqlGtidSet& set) {
  std::string text = set.text();
  auto parsed = MysqlGtidSet::parse(text);
  FUZZ_CHECK(parsed.ok() && parsed->text() == text);
  auto decoded = MysqlGtidSet::decode(set.encode());
  FUZZ_CHECK(decoded.ok() && decoded->text() == text);
  FUZZ_CHECK(set.contains(*parsed) && parsed->contains(set));
  MysqlGtidSet twice = set;
  twice.merge(*decoded);
  FUZZ_CHECK(twice.text() == text);
  FUZZ_CHECK(!is_maria_gtid_text(text) || set.empty());
}

void check(const MysqlGtid& gtid) {
  if (gtid.number == 0) return;
  auto again = parse_mysql_gtid_text(gtid.text());
  FUZZ_CHECK(again.ok() && again->text() == gtid.text());
  MysqlGtidSet set;
  set.add(gtid);
  FUZZ_CHECK(set.contains(gtid) && set.text() == gtid.text());
  check(set);
}

void check(const LogPosition& at) {
  auto again = parse_log_position(Position{"mysql", at.text()});
  FUZZ_CHECK(again.ok() && again->text() == at.text() && !again->restart == !at.restart);
  (void)log_position_reached(at, *again);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input in(data, size);
  switch (in.u8() % 9) {
    case 0:
      if (auto set = MysqlGtidSet::parse(in.rest()); set.ok()) check(*set);
      break;
    case 1:
      if (auto set = MysqlGtidSet::decode(in.rest()); set.ok()) check(*set);
      break;
    case 2:
      if (auto list = MariaGtidList::parse(in.rest()); list.ok()) {
        auto again = MariaGtidList::parse(list->text());
        FUZZ_CHECK(again.ok() && again->text() == list->text() && list->contains(*again) && again->contains(*list));
      }
      break;
    case 3:
      if (auto gtid = parse_mysql_gtid_text(in.rest()); gtid.ok()) check(*gtid);
      break;
    case 4:
      if (auto event = parse_tagged_gtid(in.rest()); event.ok()) check(event->gtid);
      break;
    case 5:
      if (auto event = parse_mysql_gtid(in.rest()); event.ok()) check(event->gtid);
      break;
    case 6:
      if (auto at = parse_log_position(Position{"mysql", std::string(in.rest())}); at.ok()) check(*at);
      break;
    case 7:
      if (auto event = parse_xa_prepare(in.rest()); event.ok()) FUZZ_CHECK(event->xid.size() <= 2 * size + 32);
      break;
    default:
      if (auto event = parse_maria_gtid(in.rest()); event.ok()) {
        MariaGtid gtid{event->domain, 1, event->sequence};
        auto again = parse_maria_gtid_text(gtid.text());
        FUZZ_CHECK(again.ok() && again->text() == gtid.text());
      }
  }
  return 0;
}
