#pragma once
#include "emulator.h"

// Streams, events and graphs of the emulated runtime. A stream keeps its work until the host waits for it; it
// then does no more of it than it must, or first all that other streams can do: in turn by a fixed sequence
// of random numbers, so that work which an event should hold back is sooner or later done too early, and what
// nothing waits for too late.
namespace cola::emulation {

/// Whether the stream's work is being made a graph.
[[nodiscard]] bool is_recorded(cudaStream_t stream);
/// Work that is an error in a graph, as copies to and from the device are here.
[[nodiscard]] cudaError_t submit_unrecorded(cudaStream_t stream, Work work);

}  // namespace cola::emulation
