#include "dist/agreement.h"

#include <fmt/format.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <sstream>

#include "core/error.h"

namespace cola {
namespace {

std::string machine_name() {
  std::array<char, 256> name{};
  return gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

/// The processors that this process may run on, as text; the same of every process where that is not known.
std::string processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) != 0) return "";
  std::string text;
  for (std::size_t cpu = 0; cpu < CPU_SETSIZE; ++cpu) text += CPU_ISSET(cpu, &set) ? '1' : '0';
  return text;
}

}  // namespace

Neighbours find_neighbours(Ranks& ranks) {
  const std::string machine = machine_name() + "\n";
  const std::string place = machine + processors();
  Neighbours neighbours{{}, 0};
  const auto places = ranks.gather(place);
  for (std::size_t rank = 0; rank < places.size(); ++rank) {
    if (places[rank].starts_with(machine)) neighbours.on_machine.push_back(rank);
    if (places[rank] == place) ++neighbours.on_processors;
  }
  return neighbours;
}

void require_alike(Ranks& ranks, const std::vector<std::pair<std::string, std::string>>& facts) {
  std::string own;
  for (const auto& [name, value] : facts) own += fmt::format("{}: {}\n", name, value);
  const auto all = ranks.gather(own);
  for (std::size_t rank = 1; rank < all.size(); ++rank) {
    std::istringstream others(all[rank]);
    std::istringstream firsts(all.front());
    for (std::string other, first; std::getline(others, other) && std::getline(firsts, first);) {
      if (other == first) continue;
      throw Error(
          fmt::format("rank {} has {}; rank 0 has {}\nall processes need the same", rank, other, first));
    }
  }
}

void wait_for_all(Ranks& ranks) { (void)ranks.gather(""); }

}  // namespace cola
