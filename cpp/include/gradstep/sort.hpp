// The order of rows: they are sorted by random words.
#pragma once

#include "gradstep/types.hpp"

namespace gradstep {

// Sorts in place; fast where the words are spread evenly over all their values, as a generator draws them.
void sort_words(std::uint64_t* words, Index n);

}  // namespace gradstep
