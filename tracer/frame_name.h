// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Function names as a reader would say them: no parameters, template arguments, return types or compiler noise.
//
//   int ns::f<int>(char const*)                                   ns::f
//   create_workers(int)::{lambda(int)#2}::operator()(int) const   create_workers::lambda#2
//   (anonymous namespace)::g[abi:cxx11](long) [clone .cold]       g
//   Foo<int>::operator<< <char>(char)                             Foo::operator<<

#pragma once

#include <source_location>
#include <string>
#include <string_view>

#include "creel/tracer/trace_state.h"

namespace creel::tracer {

// Short form of a demangled (or plain C) name.
[[nodiscard]] std::string shorten_function(std::string_view demangled);
// Demangles if `symbol` is mangled, then shortens. A linker suffix (".constprop.0") is dropped.
[[nodiscard]] std::string function_name(const char* symbol);
// Name of a callable by its type: a lambda as above, else "Type::operator()". `site` names what the type cannot.
[[nodiscard]] std::string callable_name(const CallableInfo& info, const char* site_function);

}  // namespace creel::tracer
