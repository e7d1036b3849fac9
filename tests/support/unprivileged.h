#pragma once
#include <unistd.h>

namespace cola::test {

/// Root may write everywhere: while this lives, a test that runs as root has the rights of `nobody`.
class Unprivileged {
 public:
  Unprivileged() : was_root_(::geteuid() == 0 && ::seteuid(nobody) == 0) {}
  ~Unprivileged() {
    if (was_root_) (void)!::seteuid(0);
  }
  Unprivileged(const Unprivileged&) = delete;
  Unprivileged& operator=(const Unprivileged&) = delete;

 private:
  static constexpr uid_t nobody = 65534;
  bool was_root_;
};

}  // namespace cola::test
