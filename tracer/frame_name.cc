// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/tracer/frame_name.h"

#include <cxxabi.h>

#include <cctype>
#include <cstdlib>
#include <memory>

namespace creel::tracer {
namespace {

bool is_word(char c) noexcept { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '$'; }

// Index after the bracket that closes the one at `at`; npos if none does. Knows (), <>, {} and [] as one kind each, and
// that ">" after "-" is an arrow.
std::size_t skip_group(std::string_view text, std::size_t at) noexcept {
  int depth = 0;
  for (std::size_t i = at; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '(' || c == '<' || c == '{' || c == '[') ++depth;
    if (c == ')' || c == '}' || c == ']' || (c == '>' && text[i - 1] != '-')) {
      if (--depth == 0) return i + 1;
    }
  }
  return std::string_view::npos;
}

// Length of the operator's spelling after the word "operator" (symbols, "new[]", a conversion's type).
std::size_t operator_length(std::string_view rest) noexcept {
  for (const std::string_view symbol : {"()", "[]", "<=>", "<<=", ">>=", "->*", "<<", ">>", "<=", ">=", "->", "<", ">",
                                        " new[]", " delete[]", " new", " delete", " co_await"}) {
    if (rest.starts_with(symbol)) return symbol.size();
  }
  if (rest.starts_with("\"\"")) {
    std::size_t i = 2;
    while (i < rest.size() && (rest[i] == ' ' || is_word(rest[i]))) ++i;
    return i;
  }
  std::size_t i = 0;
  if (!rest.empty() && rest[0] != ' ') {
    while (i < rest.size() && std::string_view("+-*/%^&|~!=,").find(rest[i]) != std::string_view::npos) ++i;
    return i;
  }
  while (i < rest.size() && rest[i] != '(') i = rest[i] == '<' ? std::min(skip_group(rest, i), rest.size()) : i + 1;
  return i;
}

constexpr char kHardSpace = '\x01';  // a space inside an operator's name, put back at the end

}  // namespace

std::string shorten_function(std::string_view text) {
  std::string out;
  std::size_t i = 0;
  const auto starts = [&](std::string_view what) { return text.substr(i).starts_with(what); };
  while (i < text.size()) {
    const char c = text[i];
    if (starts("(anonymous namespace)::")) {
      i += std::string_view("(anonymous namespace)::").size();
    } else if (starts("{anonymous}::")) {
      i += std::string_view("{anonymous}::").size();
    } else if (starts("operator") && (i == 0 || !is_word(text[i - 1])) &&
               (i + 8 == text.size() || !is_word(text[i + 8]))) {
      const std::size_t length = operator_length(text.substr(i + 8));
      for (const char o : text.substr(i, 8 + length)) out += o == ' ' ? kHardSpace : o;
      i += 8 + length;
    } else if (c == '{' || starts("<lambda")) {
      // {lambda(int)#2}, {unnamed type#1}, <lambda(int)> of compilers' pretty names.
      const std::size_t end = std::min(skip_group(text, i), text.size());
      const std::string_view group = text.substr(i, end - i);
      const std::size_t number = group.rfind('#');
      out += group.find("lambda") != std::string_view::npos ? "lambda" : "unnamed";
      if (number != std::string_view::npos) out += group.substr(number, group.size() - 1 - number);
      i = end;
    } else if (starts("'lambda")) {
      // 'lambda'(int), 'lambda0'(int): LLVM's demangler counts from none.
      const std::size_t quote = text.find('\'', i + 1);
      if (quote == std::string_view::npos) break;
      const std::string digits(text.substr(i + 7, quote - i - 7));
      out += "lambda#" + std::to_string(digits.empty() ? 1 : std::strtoul(digits.c_str(), nullptr, 10) + 2);
      i = quote + 1;
    } else if (starts("$_") && i + 2 < text.size() && std::isdigit(static_cast<unsigned char>(text[i + 2])) != 0) {
      // clang's lambdas in functions of internal linkage, numbered through the file.
      std::size_t end = i + 2;
      while (end < text.size() && std::isdigit(static_cast<unsigned char>(text[end])) != 0) ++end;
      out += "lambda#" +
             std::to_string(std::strtoul(std::string(text.substr(i + 2, end - i - 2)).c_str(), nullptr, 10) + 1);
      i = end;
    } else if (c == '(' || c == '<' || c == '[') {
      i = std::min(skip_group(text, i), text.size());
    } else if (c == ' ') {
      // A qualifier behind a parameter list goes; any other space ends a return type or a storage class.
      std::size_t skipped = 0;
      for (const std::string_view q : {" const", " volatile", " noexcept", " &&", " &", " [clone"}) {
        if (!starts(q)) continue;
        const std::size_t after = i + q.size();
        if (q == " [clone" || after == text.size() || text[after] == ' ' || text[after] == ':') skipped = q.size();
        if (skipped != 0) break;
      }
      if (starts(" [clone") || starts(" [with ")) break;
      if (skipped == 0 && i + 1 < text.size() && text[i + 1] == '<') skipped = 1;  // "operator<< <char>"
      if (skipped != 0 && !out.empty()) {
        i += skipped;
      } else {
        out.clear();
        ++i;
      }
    } else {
      if (out.empty() && (c == '*' || c == '&')) {
        ++i;  // of a return type
        continue;
      }
      out += c;
      ++i;
    }
  }
  // "f::lambda#1::operator()" is the lambda itself, at the end as before a lambda inside it.
  constexpr std::string_view kCall = "::operator()";
  for (std::size_t at = out.find(kCall); at != std::string::npos; at = out.find(kCall, at)) {
    const std::size_t last = at == 0 ? std::string::npos : out.rfind("::", at - 1);
    const std::string_view owner = std::string_view(out).substr(last == std::string::npos ? 0 : last + 2);
    const bool whole = at + kCall.size() == out.size() || out.compare(at + kCall.size(), 2, "::") == 0;
    if (whole && (owner.starts_with("lambda#") || owner.starts_with("lambda::"))) {
      out.erase(at, kCall.size());
    } else {
      at += kCall.size();
    }
  }
  for (char& o : out) {
    if (o == kHardSpace) o = ' ';
  }
  return out.empty() ? std::string(text) : out;
}

std::string function_name(const char* symbol) {
  const std::string_view whole(symbol);
  const std::string plain(whole.substr(0, whole.starts_with("_Z") ? whole.find('.') : whole.find('.', 1)));
  if (whole.starts_with("_Z")) {
    int status = 0;
    const std::unique_ptr<char, decltype(&std::free)> text(
        abi::__cxa_demangle(plain.c_str(), nullptr, nullptr, &status), &std::free);
    if (status == 0) return shorten_function(text.get());
  }
  return plain;
}

std::string callable_name(const CallableInfo& info, const char* site_function) {
  std::string type;
  if (info.mangled) {
    int status = 0;
    const std::unique_ptr<char, decltype(&std::free)> text(
        abi::__cxa_demangle(info.type_name, nullptr, nullptr, &status), &std::free);
    type = status == 0 ? text.get() : info.type_name;
  } else {
    // A helper's pretty name: "... [with F = TYPE]" or "... [F = TYPE]".
    const std::string_view pretty(info.type_name);
    const std::size_t from = pretty.rfind(" = ");
    const std::size_t to = pretty.find_last_of("];");
    if (from != std::string_view::npos && to != std::string_view::npos && to > from + 3) {
      type = pretty.substr(from + 3, to - from - 3);
    }
  }
  if (type.empty() || type.starts_with("(lambda at")) return shorten_function(site_function) + "::lambda";
  const std::string name = shorten_function(type);
  const std::size_t last = name.rfind("::");
  const std::string_view own = std::string_view(name).substr(last == std::string::npos ? 0 : last + 2);
  if (own == "lambda" || own.starts_with("lambda#")) {
    // A lambda outside any function (namespace scope) has no scope in its name.
    return last == std::string::npos && *site_function != '\0' ? shorten_function(site_function) + "::" + name : name;
  }
  return name + "::operator()";
}

}  // namespace creel::tracer
