#include "data/record_chunks.h"

#include <utility>

namespace cola {
namespace {

// Large enough that taking a chunk costs nothing beside it, small enough that progress goes on.
constexpr std::size_t chunk_bytes = std::size_t{1} << 16;
constexpr std::size_t chunks_a_thread = 4;

}  // namespace

RecordChunks::RecordChunks(const std::filesystem::path& file) : source_(open_records(file)) {
  state_.bytes_in_all = source_->bytes_in_all();
}

bool RecordChunks::fill(RecordChunk& chunk) {
  for (std::size_t bytes = 0; bytes < chunk_bytes;) {
    std::string record;
    if (!source_->next(record)) return false;
    bytes += record.size();
    chunk.push_back({std::move(record), source_->where()});
  }
  return true;
}

bool RecordChunks::next(std::vector<RecordChunk>& chunks) {
  chunks.clear();
  if (failure_) std::rethrow_exception(failure_);
  const std::size_t wanted = chunks_a_thread * static_cast<std::size_t>(thread_count());
  try {
    while (chunks.size() < wanted && fill(chunks.emplace_back())) {
    }
  } catch (...) {
    failure_ = std::current_exception();
  }
  if (!chunks.empty() && chunks.back().empty()) chunks.pop_back();
  if (chunks.empty() && failure_) std::rethrow_exception(failure_);
  for (const RecordChunk& chunk : chunks) state_.records += std::ssize(chunk);
  state_.bytes = source_->bytes_read();
  return !chunks.empty();
}

}  // namespace cola
