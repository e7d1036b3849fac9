#include "text/jinja/loop_variable.h"

#include <array>
#include <memory>

#include "text/jinja/arguments.h"

namespace cola::jinja {
namespace {

constexpr std::array<std::string_view, 13> members = {"index",    "index0",    "first",  "last",   "length",
                                                      "revindex", "revindex0", "depth",  "depth0", "previtem",
                                                      "nextitem", "cycle",     "changed"};

}  // namespace

std::optional<Value> loop_member(const LoopPlace& place, std::string_view name) {
  const std::vector<Value>& items = *place.items;
  const auto at = static_cast<std::int64_t>(place.index);
  const auto count = std::int64_t{std::ssize(items)};
  if (name == "index") return at + 1;
  if (name == "index0") return at;
  if (name == "first") return at == 0;
  if (name == "last") return at + 1 == count;
  if (name == "length") return count;
  if (name == "revindex") return count - at;
  if (name == "revindex0") return count - at - 1;
  if (name == "depth") return std::int64_t{1};  // of loops that call themselves
  if (name == "depth0") return std::int64_t{0};
  if (name == "previtem")
    return at > 0 ? items[place.index - 1] : Value(Undefined{"there is no previous item"});
  if (name == "nextitem")
    return at + 1 < count ? items[place.index + 1] : Value(Undefined{"there is no next item"});
  if (name == "cycle") {
    return Callable{"cycle", [index = place.index](const CallArguments& given) -> Value {
                      if (given.positional.empty()) fail("no items for cycling given");
                      return given.positional[index % given.positional.size()];
                    }};
  }
  if (name == "changed") {
    return Callable{"changed", [](const CallArguments&) -> Value {
                      throw Error(Error::Kind::unknown, "loop.changed() is not known here");
                    }};
  }
  return std::nullopt;
}

Value loop_variable(const LoopPlace& place) {
  auto loop = std::make_shared<Namespace>();
  for (const std::string_view name : members)
    loop->members.items.emplace_back(Text(std::string(name)), *loop_member(place, name));
  return loop;
}

}  // namespace cola::jinja
