// The exceptions of the core and the one way to raise them. bind/ turns each into the Python class of the
// same name.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

namespace lamina {

struct Error : std::runtime_error {  // RuntimeError: a rule of autograd or of a view was broken
  using std::runtime_error::runtime_error;
};
struct ShapeError : Error {  // shapes and values: also a ValueError in Python
  using Error::Error;
};
struct TypeError : Error {
  using Error::Error;
};
struct IndexError : Error {
  using Error::Error;
};
struct MemoryError : Error {
  using Error::Error;
};
struct NotImplementedError : Error {
  using Error::Error;
};

// fail<ShapeError>("add: got ", a.shape(), ...): the op's word, what it got, what it expected.
template <class E, class... Parts>
[[noreturn]] __attribute__((noinline, cold)) void fail(const Parts&... parts) {
  std::ostringstream text;
  (text << ... << parts);
  throw E(text.str());
}

}  // namespace lamina
