// Tests that register themselves, and a check that counts, prints where it failed, and lets the others run.
#pragma once

#include <cstdio>
#include <vector>

namespace gradstep::tests {

struct Tally {
    int checks = 0;
    int failures = 0;
};

inline Tally& tally() {
    static Tally the_tally;
    return the_tally;
}

struct Test {
    const char* file;
    const char* name;
    void (*run)();
};

inline std::vector<Test>& all_tests() {
    static std::vector<Test> the_tests;
    return the_tests;
}

struct Registration {
    explicit Registration(Test test) { all_tests().push_back(test); }
};

}  // namespace gradstep::tests

// TEST(name) { ... } in any file; main runs those of the files that it is asked for.
#define TEST(name)                                                                         \
    static void name();                                                                    \
    static const gradstep::tests::Registration name##_registered({__FILE__, #name, name}); \
    static void name()

#define CHECK(condition)                                                                 \
    do {                                                                                 \
        ++gradstep::tests::tally().checks;                                               \
        if (!(condition)) {                                                              \
            ++gradstep::tests::tally().failures;                                         \
            std::fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
        }                                                                                \
    } while (false)
