#include <cola/version.h>

#include <iostream>

int main() {
  std::cout << "cola " << cola::version() << '\n';
  return cola::version() == cola::header_version ? 0 : 1;
}
