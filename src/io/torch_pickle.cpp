#include "io/torch_pickle.h"

#include <fmt/format.h>

#include "core/error.h"
#include "io/pickle_machine.h"
#include "io/printable.h"

namespace cola {
namespace {

using Kind = PickleValue::Kind;

constexpr std::size_t max_pickle_bytes = std::size_t{16} << 20;
constexpr std::size_t max_extents = 16;

/// A tuple of integers: a shape or strides.
std::vector<std::int64_t> integers_of(const PickleMachine& machine, const PickleValue& tuple,
                                      const std::string& where) {
  if (tuple.kind != Kind::tuple || tuple.items.size() > max_extents) {
    throw Error(fmt::format("{} has no usable shape or strides", where));
  }
  std::vector<std::int64_t> result;
  for (const PickleId id : tuple.items) {
    const PickleValue& value = machine[id];
    if (value.kind != Kind::integer || value.integer < 0) {
      throw Error(fmt::format("{} has no usable shape or strides", where));
    }
    result.push_back(value.integer);
  }
  return result;
}

PickledTensor tensor_of(const PickleMachine& machine, const PickleValue& value, const std::string& where) {
  const PickleValue& storage = machine[value.items[0]];
  const PickleValue& offset = machine[value.items[1]];
  if (storage.kind != Kind::storage || offset.kind != Kind::integer) {
    throw Error(fmt::format("{} has no storage", where));
  }
  PickledTensor tensor;
  const std::string& storage_class = machine[storage.items[1]].text;
  tensor.storage_class = storage_class.substr(storage_class.rfind('.') + 1);
  tensor.storage_key = machine[storage.items[2]].text;
  tensor.storage_size = machine[storage.items[4]].integer;
  tensor.offset = offset.integer;
  tensor.shape = integers_of(machine, machine[value.items[2]], where);
  tensor.strides = integers_of(machine, machine[value.items[3]], where);
  if (tensor.strides.size() != tensor.shape.size() || tensor.offset < 0 || tensor.storage_size < 0) {
    throw Error(fmt::format("{} has no usable shape or strides", where));
  }
  return tensor;
}

}  // namespace

std::map<std::string, PickledTensor> read_torch_pickle(std::span<const std::byte> pickle,
                                                       const std::string& where) {
  if (pickle.size() > max_pickle_bytes) {
    throw Error(fmt::format("{}: a pickle of {} bytes, more than {}, is refused", where, pickle.size(),
                            max_pickle_bytes));
  }
  PickleMachine machine(pickle, where);
  const PickleValue& root = machine[machine.run()];
  if (root.kind != Kind::dict) throw Error(fmt::format("{}: not a dict of tensors", where));
  std::map<std::string, PickledTensor> tensors;
  std::string nested;  // a dict in the dict, as training scripts save: {"state_dict": ...}
  for (std::size_t i = 0; i + 1 < root.items.size(); i += 2) {
    const PickleValue& name = machine[root.items[i]];
    const PickleValue& value = machine[root.items[i + 1]];
    if (name.kind == Kind::text && value.kind == Kind::dict) nested = printable(name.text);
    if (name.kind != Kind::text || value.kind != Kind::tensor) continue;
    const std::string tensor_where = fmt::format("{}: tensor '{}'", where, printable(name.text));
    if (!tensors.emplace(name.text, tensor_of(machine, value, tensor_where)).second) {
      throw Error(fmt::format("{} occurs twice", tensor_where));
    }
  }
  if (tensors.empty()) {
    throw Error(
        fmt::format("{}: its dict holds no tensors{}", where,
                    nested.empty() ? "" : ": they may be in its entry '" + nested + "', which save alone"));
  }
  return tensors;
}

}  // namespace cola
