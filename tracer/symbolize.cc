// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/tracer/symbolize.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>

#include <algorithm>
#include <cstdlib>
#include <unordered_map>

#include "creel/tracer/frame_name.h"
#include "creel/tracer/loaded_modules.h"

namespace creel::tracer {
namespace {

// Compilation units of one module by address. dwarf_addrdie needs .debug_aranges, which clang does not write.
struct UnitRange {
  Dwarf_Addr low;
  Dwarf_Addr high;
  Dwarf_Off unit;  // offset of the unit's DIE
};
// Functions of one unit by address: libdw's own search walks the whole unit for each address.
struct FunctionRange {
  Dwarf_Addr low;
  Dwarf_Addr high;
  Dwarf_Off function;
};

struct ModuleIndex {
  Dwarf* dwarf = nullptr;
  Dwarf_Addr bias = 0;
  std::vector<UnitRange> units;                                         // sorted by low
  std::unordered_map<Dwarf_Off, std::vector<FunctionRange>> functions;  // by unit, sorted by low
};

template <typename F>
void for_each_range(Dwarf_Die* die, F&& visit) {
  Dwarf_Addr base = 0;
  Dwarf_Addr low = 0;
  Dwarf_Addr high = 0;
  for (ptrdiff_t at = 0; (at = dwarf_ranges(die, at, &base, &low, &high)) > 0;) {
    if (low < high) visit(low, high);
  }
}

// Collects the functions with code below `parent`.
void collect_functions(Dwarf_Die* parent, std::vector<FunctionRange>& out) {
  Dwarf_Die die;
  if (dwarf_child(parent, &die) != 0) return;
  do {
    switch (dwarf_tag(&die)) {
      case DW_TAG_subprogram:
        for_each_range(&die,
                       [&](Dwarf_Addr low, Dwarf_Addr high) { out.push_back({low, high, dwarf_dieoffset(&die)}); });
        [[fallthrough]];  // local classes and lambdas
      case DW_TAG_namespace:
      case DW_TAG_class_type:
      case DW_TAG_structure_type:
      case DW_TAG_union_type:
      case DW_TAG_lexical_block:
        collect_functions(&die, out);
        break;
      default:
        break;
    }
  } while (dwarf_siblingof(&die, &die) == 0);
}

// Appends the calls inlined at `address` below `parent`, outermost first.
void collect_inlined(Dwarf_Die* parent, Dwarf_Addr address, std::vector<Dwarf_Die>& out) {
  Dwarf_Die die;
  if (dwarf_child(parent, &die) != 0) return;
  do {
    const int tag = dwarf_tag(&die);
    if (tag != DW_TAG_inlined_subroutine && tag != DW_TAG_lexical_block) continue;
    if (dwarf_haspc(&die, address) <= 0) continue;
    if (tag == DW_TAG_inlined_subroutine) out.push_back(die);
    return collect_inlined(&die, address, out);
  } while (dwarf_siblingof(&die, &die) == 0);
}

const char* string_attribute(Dwarf_Die* die, unsigned name) {
  Dwarf_Attribute attribute;
  return dwarf_attr_integrate(die, name, &attribute) != nullptr ? dwarf_formstring(&attribute) : nullptr;
}

Dwarf_Word number_attribute(Dwarf_Die* die, unsigned name) {
  Dwarf_Attribute attribute;
  Dwarf_Word value = 0;
  return dwarf_attr(die, name, &attribute) != nullptr && dwarf_formudata(&attribute, &value) == 0 ? value : 0;
}

// Name of a function's DIE without a linkage name: its own behind those of the scopes it is declared in.
std::string scoped_name(Dwarf_Die* function) {
  Dwarf_Die die = *function;
  Dwarf_Attribute attribute;
  while (dwarf_attr(&die, DW_AT_abstract_origin, &attribute) != nullptr ||
         dwarf_attr(&die, DW_AT_specification, &attribute) != nullptr) {
    if (dwarf_formref_die(&attribute, &die) == nullptr) break;
  }
  const char* own = dwarf_diename(&die);
  if (own == nullptr) return {};
  std::string name(own);
  Dwarf_Die* scopes = nullptr;
  const int count = dwarf_getscopes_die(&die, &scopes);
  for (int i = 1; i < count; ++i) {
    const int tag = dwarf_tag(&scopes[i]);
    if (tag != DW_TAG_namespace && tag != DW_TAG_class_type && tag != DW_TAG_structure_type &&
        tag != DW_TAG_subprogram && tag != DW_TAG_union_type) {
      continue;
    }
    if (tag == DW_TAG_subprogram) {
      // A function's own scopes are those of its declaration.
      const char* linkage = string_attribute(&scopes[i], DW_AT_linkage_name);
      name = (linkage != nullptr ? function_name(linkage) : scoped_name(&scopes[i])) + "::" + name;
      break;
    }
    const char* scope = dwarf_diename(&scopes[i]);
    const bool is_class = tag == DW_TAG_class_type || tag == DW_TAG_structure_type;
    if (scope != nullptr) {
      name = std::string(scope) + "::" + name;
    } else if (is_class && std::string_view(own) == "operator()") {
      name = "<lambda>::" + name;
    }
  }
  std::free(scopes);
  return shorten_function(name);
}

std::string die_name(Dwarf_Die* die) {
  const char* linkage = string_attribute(die, DW_AT_linkage_name);
  if (linkage == nullptr) linkage = string_attribute(die, DW_AT_MIPS_linkage_name);
  return linkage != nullptr ? function_name(linkage) : scoped_name(die);
}

}  // namespace

struct Symbolizer::Impl {
  Dwfl* dwfl = nullptr;
  Dwfl_Callbacks callbacks{};
  std::unordered_map<Dwfl_Module*, ModuleIndex> modules;

  Dwfl_Module* module_at(std::uintptr_t pc) {
    if (dwfl == nullptr) return nullptr;
    Dwfl_Module* module = dwfl_addrmodule(dwfl, pc);
    if (module == nullptr && unknown_budget != 0) {
      --unknown_budget;  // loaded since, or no code at all: the latter must not make us read the list again and again
      report_loaded_modules(dwfl);
      module = dwfl_addrmodule(dwfl, pc);
    }
    return module;
  }

  ModuleIndex& index(Dwfl_Module* module) {
    auto [it, is_new] = modules.try_emplace(module);
    ModuleIndex& index = it->second;
    if (!is_new) return index;
    index.dwarf = dwfl_module_getdwarf(module, &index.bias);
    if (index.dwarf == nullptr) return index;
    Dwarf_Off offset = 0;
    Dwarf_Off next = 0;
    std::size_t header = 0;
    while (dwarf_nextcu(index.dwarf, offset, &next, &header, nullptr, nullptr, nullptr) == 0) {
      Dwarf_Die unit;
      if (dwarf_offdie(index.dwarf, offset + header, &unit) != nullptr) {
        for_each_range(&unit,
                       [&](Dwarf_Addr low, Dwarf_Addr high) { index.units.push_back({low, high, offset + header}); });
      }
      offset = next;
    }
    std::sort(index.units.begin(), index.units.end(),
              [](const UnitRange& a, const UnitRange& b) { return a.low < b.low; });
    return index;
  }

  bool function_at(ModuleIndex& index, Dwarf_Die& unit, Dwarf_Addr address, Dwarf_Die& function) {
    auto [it, is_new] = index.functions.try_emplace(dwarf_dieoffset(&unit));
    std::vector<FunctionRange>& all = it->second;
    if (is_new) {
      collect_functions(&unit, all);
      std::sort(all.begin(), all.end(), [](const FunctionRange& a, const FunctionRange& b) { return a.low < b.low; });
    }
    auto range = std::upper_bound(all.begin(), all.end(), address,
                                  [](Dwarf_Addr a, const FunctionRange& r) { return a < r.low; });
    if (range == all.begin() || (--range)->high <= address) return false;
    return dwarf_offdie(index.dwarf, range->function, &function) != nullptr;
  }

  int unknown_budget = 16;
};

Symbolizer::Symbolizer() : impl_(std::make_unique<Impl>()) {
  impl_->callbacks.find_elf = dwfl_linux_proc_find_elf;
  impl_->callbacks.find_debuginfo = dwfl_standard_find_debuginfo;
  impl_->dwfl = dwfl_begin(&impl_->callbacks);
  if (impl_->dwfl != nullptr) report_loaded_modules(impl_->dwfl);
}

Symbolizer::~Symbolizer() {
  if (impl_->dwfl != nullptr) dwfl_end(impl_->dwfl);
}

std::string Symbolizer::function_at(std::uintptr_t address) {
  Dwfl_Module* module = impl_->module_at(address);
  const char* symbol = module != nullptr ? dwfl_module_addrname(module, address) : nullptr;
  return symbol != nullptr ? function_name(symbol) : std::string();
}

std::vector<SourceFrame> Symbolizer::resolve(std::uintptr_t pc) {
  std::vector<SourceFrame> frames;
  Dwfl_Module* module = impl_->module_at(pc);
  if (module == nullptr) return frames;
  const char* symbol = dwfl_module_addrname(module, pc);

  ModuleIndex& index = impl_->index(module);
  const Dwarf_Addr address = pc - index.bias;
  auto range = std::upper_bound(index.units.begin(), index.units.end(), address,
                                [](Dwarf_Addr a, const UnitRange& r) { return a < r.low; });
  Dwarf_Die unit;
  if (range != index.units.begin() && (--range)->high > address &&
      dwarf_offdie(index.dwarf, range->unit, &unit) != nullptr) {
    Dwarf_Files* files = nullptr;
    std::size_t file_count = 0;
    (void)dwarf_getsrcfiles(&unit, &files, &file_count);
    std::string file;
    int line = 0;
    if (Dwarf_Line* row = dwarf_getsrc_die(&unit, address)) {
      if (const char* name = dwarf_linesrc(row, nullptr, nullptr)) file = name;
      (void)dwarf_lineno(row, &line);
    }
    std::vector<Dwarf_Die> calls;  // the function, then what is inlined there, outermost first
    Dwarf_Die function;
    if (impl_->function_at(index, unit, address, function)) {
      calls.push_back(function);
      collect_inlined(&function, address, calls);
    }
    for (std::size_t i = calls.size(); i-- > 0;) {
      SourceFrame frame{die_name(&calls[i]), file, static_cast<std::uint32_t>(line)};
      if (i == 0 && symbol != nullptr) frame.function = function_name(symbol);
      if (!frame.function.empty()) frames.push_back(std::move(frame));
      if (i == 0) break;
      // The caller is where this one was inlined.
      const Dwarf_Word call_file = number_attribute(&calls[i], DW_AT_call_file);
      const char* name =
          files != nullptr && call_file < file_count ? dwarf_filesrc(files, call_file, nullptr, nullptr) : nullptr;
      file = name != nullptr ? name : "";
      line = static_cast<int>(number_attribute(&calls[i], DW_AT_call_line));
    }
  }
  if (frames.empty() && symbol != nullptr) frames.push_back({function_name(symbol), {}, 0});
  return frames;
}

}  // namespace creel::tracer
