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

bool RecordChunks::fill(RecordChunk& chunk, std::size_t& bytes) {
  for (const std::size_t end = bytes + chunk_bytes; bytes < end;) {
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
  std::size_t bytes = 0;  // few chunks of long records, so that they do not add up in memory
  try {
    while (chunks.size() < wanted && bytes < wanted * chunk_bytes && fill(chunks.emplace_back(), bytes)) {
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
