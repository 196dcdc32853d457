// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/tracer/frame_name.h"

#include <gtest/gtest.h>

#include <functional>
#include <typeinfo>

namespace creel::test {
namespace {

struct NameCase {
  const char* demangled;
  const char* name;
};

class ShortenFunction : public testing::TestWithParam<NameCase> {};

TEST_P(ShortenFunction, GivesTheReadersName) {
  EXPECT_EQ(tracer::shorten_function(GetParam().demangled), GetParam().name);
}

INSTANTIATE_TEST_SUITE_P(
    Names, ShortenFunction,
    testing::Values(NameCase{"main", "main"}, NameCase{"app::work(int)", "app::work"},
                    NameCase{"int ns::f<int>(char const*)", "ns::f"},
                    NameCase{"std::vector<int, std::allocator<int> > ns::g<int>(std::pair<int, char> const&)", "ns::g"},
                    NameCase{"create_workers(int)::{lambda(int)#2}::operator()(int) const", "create_workers::lambda#2"},
                    NameCase{"create_workers(int)::{lambda(int)#2}", "create_workers::lambda#2"},
                    NameCase{"a::f()::{lambda()#1}::operator()() const::{lambda(int)#3}::operator()(int) const",
                             "a::f::lambda#1::lambda#3"},
                    NameCase{"auto main::{lambda(auto:1)#1}::operator()<int>(int) const", "main::lambda#1"},
                    NameCase{"(anonymous namespace)::g[abi:cxx11](long) [clone .cold]", "g"},
                    NameCase{"ns::(anonymous namespace)::Type::run() const", "ns::Type::run"},
                    NameCase{"ns::Type::get() const &", "ns::Type::get"},
                    NameCase{"Foo<int>& Foo<int>::operator<< <char>(char)", "Foo::operator<<"},
                    NameCase{"Foo::operator()(int)", "Foo::operator()"},
                    NameCase{"Foo::operator->() const", "Foo::operator->"},
                    NameCase{"Foo::operator bool() const", "Foo::operator bool"},
                    NameCase{"operator new(unsigned long)", "operator new"},
                    NameCase{"bool operator==<int>(Foo<int> const&, Foo<int> const&)", "operator=="},
                    NameCase{"Foo::operator<=>(Foo const&) const", "Foo::operator<=>"},
                    NameCase{"decltype(auto) ns::call<void (*)()>(void (*&&)())", "ns::call"},
                    NameCase{"void creel::Channel<std::function<void (int)> >::send(std::function<void (int)>)",
                             "creel::Channel::send"},
                    NameCase{"f(int)::'lambda0'(char)::operator()(char) const", "f::lambda#2"},
                    NameCase{"f()::$_0::operator()() const", "f::lambda#1"},
                    NameCase{"ns::Type::~Type()", "ns::Type::~Type"},
                    NameCase{"ns::operators::run()", "ns::operators::run"}, NameCase{"int main()", "main"},
                    NameCase{"virtual void A::TestBody()", "A::TestBody"}));

struct Functor {
  void operator()() const {}
};

template <typename T>
std::string name_of_type(const T&, const char* site = "int main()") {
  const tracer::CallableInfo info{typeid(T).name(), true};
  return tracer::callable_name(info, site);
}

auto make_lambda(int x) {
  return [x] { return x; };
}

TEST(CallableName, LambdasAreNumberedInTheirFunction) {
  const auto lambda = make_lambda(1);
  const std::string name = name_of_type(lambda);
  EXPECT_TRUE(name.starts_with("creel::test::make_lambda::lambda#")) << name;  // clang numbers through the file
}

TEST(CallableName, FunctorsAreTheirCallOperator) {
  EXPECT_EQ(name_of_type(Functor{}), "creel::test::Functor::operator()");
  EXPECT_EQ(name_of_type(std::function<void()>()), "std::function::operator()");
}

TEST(CallableName, WithoutRttiTheSiteNamesTheLambda) {
  const tracer::CallableInfo info{"const char* type_name() [F = (lambda at x.cc:1:2)]", false};
  EXPECT_EQ(tracer::callable_name(info, "void ns::serve(int)"), "ns::serve::lambda");
  const tracer::CallableInfo gcc{"const char* type_name() [with F = ns::serve(int)::<lambda()>]", false};
  EXPECT_EQ(tracer::callable_name(gcc, "void ns::serve(int)"), "ns::serve::lambda");
}

TEST(FunctionName, DropsLinkerSuffixes) {
  EXPECT_EQ(tracer::function_name("_ZN3app4workEi.constprop.0"), "app::work");
  EXPECT_EQ(tracer::function_name("helper.part.0"), "helper");
  EXPECT_EQ(tracer::function_name("_start"), "_start");
}

}  // namespace
}  // namespace creel::test
