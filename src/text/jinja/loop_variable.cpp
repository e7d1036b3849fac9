#include "text/jinja/loop_variable.h"

#include <memory>

#include "text/jinja/arguments.h"

namespace cola::jinja {

Value loop_variable(const std::vector<Value>& items, std::size_t index) {
  auto loop = std::make_shared<Namespace>();
  auto& members = loop->members.items;
  members.reserve(13);
  const auto at = static_cast<std::int64_t>(index);
  const auto count = std::ssize(items);
  members.emplace_back(Text("index"), at + 1);
  members.emplace_back(Text("index0"), at);
  members.emplace_back(Text("first"), at == 0);
  members.emplace_back(Text("last"), at + 1 == count);
  members.emplace_back(Text("length"), static_cast<std::int64_t>(count));
  members.emplace_back(Text("revindex"), static_cast<std::int64_t>(count) - at);
  members.emplace_back(Text("revindex0"), static_cast<std::int64_t>(count) - at - 1);
  members.emplace_back(Text("depth"), std::int64_t{1});  // of loops that call themselves
  members.emplace_back(Text("depth0"), std::int64_t{0});
  members.emplace_back(Text("previtem"),
                       index > 0 ? items[index - 1] : Value(Undefined{"there is no previous item"}));
  members.emplace_back(Text("nextitem"), index + 1 < items.size()
                                             ? items[index + 1]
                                             : Value(Undefined{"there is no next item"}));
  members.emplace_back(Text("cycle"), Callable{"cycle", [index](const CallArguments& given) -> Value {
                                                 if (given.positional.empty())
                                                   fail("no items for cycling given");
                                                 return given.positional[index % given.positional.size()];
                                               }});
  members.emplace_back(Text("changed"), Callable{"changed", [](const CallArguments&) -> Value {
                                                   throw Error(Error::Kind::unknown,
                                                               "loop.changed() is not known here");
                                                 }});
  return loop;
}

}  // namespace cola::jinja
