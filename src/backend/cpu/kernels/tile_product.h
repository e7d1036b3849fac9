#pragma once
#include <cstddef>
#include <cstdint>

#include "backend/cpu/kernels/tile_chunk.h"

namespace cola::kernels {

/// One product of attention: sums of 64 outputs x 16 tokens over up to a few steps of depth (tile_layout.h).
struct TileProduct {
  const std::uint16_t* panel;   ///< the weight's side [steps][4][512]
  const std::uint16_t* stream;  ///< the activations' side [steps][512]
  std::int64_t steps;
  float* sums;             ///< [4][256]: of a panel's tile, rows are those of the product's left operand
  bool add;                ///< whether `sums` is added to or written
  const std::byte* ahead;  ///< memory that will be read next: `steps` times 192 bytes of it are fetched
};

/// Products of bf16 tiles into f32 sums, by tdpbf16ps or by software that does what it does. `begin` comes
/// before a thread's first product and `end` after its last; between the two the thread may do anything else.
struct TileKernels {
  const char* name;
  void (*begin)();
  void (*end)();
  void (*outputs_by_tokens)(const TileProduct& product);  ///< left: panel, rows = outputs; right: stream
  void (*tokens_by_outputs)(const TileProduct& product);  ///< left: stream, rows = tokens; right: panel
  void (*forward_chunk)(const TileChunk& chunk);          ///< left: weight, rows of sums = outputs
  void (*backward_chunk)(const TileChunk& chunk);         ///< left: activations, rows of sums = tokens
  void (*few_tokens)(const TileFewTokens& product);       ///< left: weight, rows of sums = outputs
};

/// Tests run the whole product with it on any processor.
extern const TileKernels emulated_tiles;

/// Null in a build without AMX; else to be called only where processor_has_tiles().
[[nodiscard]] const TileKernels* hardware_tiles();

/// Whether this build and processor have AMX with bf16, and the operating system lets this process use it
/// (which it is asked for).
[[nodiscard]] bool processor_has_tiles();

/// The hardware's where ops::cpu_isa() is amx, else the emulation.
[[nodiscard]] const TileKernels& tile_kernels();

}  // namespace cola::kernels
