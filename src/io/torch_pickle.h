#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace cola {

/// A tensor as the pickle of a PyTorch file describes it. Nothing is checked against the storage yet.
struct PickledTensor {
  std::string storage_class;      ///< "FloatStorage", "HalfStorage", ...
  std::string storage_key;        ///< the zip entry is data/KEY
  std::int64_t storage_size = 0;  ///< elements
  std::int64_t offset = 0;        ///< elements
  std::vector<std::int64_t> shape;
  std::vector<std::int64_t> strides;  ///< elements; as many as there are extents
};

/// Reads the data.pkl of torch.save(state_dict): the tensors of its (ordered) dict; other values in it are
/// ignored. A restricted machine for pickle protocol 2 and the opcodes of later ones that PyTorch writes: it
/// builds plain values only, calls nothing, and refuses any global but PyTorch's tensor constructors by name.
/// Stack, memo and number of values are bounded; nothing recurses. Errors begin with `where`.
[[nodiscard]] std::map<std::string, PickledTensor> read_torch_pickle(std::span<const std::byte> pickle,
                                                                     const std::string& where);

}  // namespace cola
