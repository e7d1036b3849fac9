#include <algorithm>
#include <numeric>

#include "backend/cuda/kernels/embedding.h"

namespace cola::cuda {

RowGroups group_rows(std::span<const std::int32_t> ids, std::int32_t left_out) {
  RowGroups groups;
  groups.order.resize(ids.size());
  std::iota(groups.order.begin(), groups.order.end(), 0);
  const auto id_of = [&](std::int32_t row) { return ids[static_cast<std::size_t>(row)]; };
  std::erase_if(groups.order, [&](std::int32_t row) { return id_of(row) == left_out; });
  std::ranges::stable_sort(groups.order, {}, id_of);
  for (std::size_t i = 0; i < groups.order.size(); ++i) {
    const std::int32_t id = id_of(groups.order[i]);
    if (!groups.ids.empty() && groups.ids.back() == id) continue;
    groups.begins.push_back(static_cast<std::int32_t>(i));
    groups.ids.push_back(id);
  }
  groups.begins.push_back(static_cast<std::int32_t>(groups.order.size()));
  return groups;
}

}  // namespace cola::cuda
