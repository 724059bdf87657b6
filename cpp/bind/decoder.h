// The topic of decoder.cpp, for module.cpp.
#pragma once

#include "bind/define.h"

namespace lamina::bind {

void bind_decoder(py::module_& m);

}  // namespace lamina::bind
