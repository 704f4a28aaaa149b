// When waiting messages are sent, without a client: the clock is an argument.
#include "sink/kafka_sink_pacer.h"
#include "unit/catch.h"

using namespace tailrace;
using std::chrono::milliseconds;

namespace {

constexpr size_t kLittle = 1000;

struct Paced {
  KafkaPacer pacer{milliseconds(5), kLittle};
  KafkaPacer::Clock::time_point now = KafkaPacer::Clock::now();
  KafkaPacer::Step after(int ms) {
    now += milliseconds(ms);
    return pacer.next(now);
  }
};

}  // namespace

TEST_CASE("the polling thread sleeps while nothing is on its way, and is woken once") {
  Paced paced;
  CHECK_FALSE(paced.pacer.take_wake());
  CHECK_FALSE(paced.after(0).flush);
  paced.pacer.handed(10);
  CHECK(paced.pacer.take_wake());
  CHECK_FALSE(paced.pacer.take_wake());
  CHECK(paced.after(0).flush);
  paced.pacer.handed(10);
  CHECK_FALSE(paced.pacer.take_wake());  // it is awake
  paced.pacer.reported(10);
  paced.pacer.reported(10);
  CHECK_FALSE(paced.after(1).flush);
}

TEST_CASE("little is sent at once, whatever was sent before it and confirmed") {
  Paced paced;
  paced.after(0);
  for (int i = 0; i < 5; ++i) {
    paced.pacer.handed(100);
    CHECK(paced.after(0).flush);
    paced.pacer.reported(100);
    CHECK_FALSE(paced.after(0).flush);
  }
}

TEST_CASE("little behind something on its way pauses between flushes") {
  Paced paced;
  paced.after(0);
  paced.pacer.handed(100);
  CHECK(paced.after(0).flush);
  paced.pacer.handed(100);
  CHECK_FALSE(paced.after(1).flush);
  CHECK(paced.after(1).flush);
  paced.pacer.handed(kLittle);
  CHECK_FALSE(paced.after(2).flush);  // much
  paced.pacer.reported(100);
  paced.pacer.reported(kLittle);
  CHECK(paced.after(0).flush);  // the rest is little again
}

TEST_CASE("the first messages are sent at once, however many") {
  Paced paced;
  paced.after(0);
  paced.pacer.handed(50 * kLittle);
  CHECK(paced.after(30).flush);
  CHECK_FALSE(paced.after(1).flush);
}

TEST_CASE("much waits for linger, counted from the last report") {
  Paced paced;
  paced.after(0);
  for (int i = 0; i < 50; ++i) paced.pacer.handed(kLittle);
  CHECK(paced.after(0).flush);
  auto step = paced.after(2);
  CHECK_FALSE(step.flush);
  CHECK(step.longest == milliseconds(3));
  paced.pacer.reported(kLittle);
  CHECK_FALSE(paced.after(2).flush);
  CHECK_FALSE(paced.after(4).flush);
  CHECK(paced.after(1).flush);
  CHECK_FALSE(paced.after(0).flush);
}

TEST_CASE("what others keep waiting is sent now and then") {
  Paced paced;
  paced.after(0);
  for (int i = 0; i < 200; ++i) paced.pacer.handed(kLittle);
  CHECK(paced.after(0).flush);
  int flushes = 0;
  for (int ms = 1; ms <= 100; ++ms) {  // a report each millisecond: the broker is busy
    paced.pacer.reported(kLittle);
    flushes += paced.after(1).flush;
  }
  CHECK(flushes == 2);
}

TEST_CASE("without linger nothing waits") {
  KafkaPacer pacer(milliseconds(0), 0);
  pacer.next({});
  pacer.handed(100'000);
  auto now = KafkaPacer::Clock::now();
  for (int i = 0; i < 3; ++i) CHECK(pacer.next(now += milliseconds(2)).flush);
}
