// Runs the tests of the files that are named, without folder and ending, or of all.
#include <cstring>
#include <string>

#include "check.hpp"

namespace {

std::string stem(const std::string& path) {
    const std::size_t folder = path.find_last_of("/\\"), begin = folder == std::string::npos ? 0 : folder + 1;
    return path.substr(begin, path.find_last_of('.') - begin);
}

bool is_wanted(const char* file, int argc, char** argv) {
    for (int i = 1; i < argc; ++i)
        if (stem(file) == argv[i]) return true;
    return argc == 1;
}

}  // namespace

int main(int argc, char** argv) {
    using namespace gradstep::tests;
    int ran = 0;
    for (const Test& test : all_tests()) {
        if (!is_wanted(test.file, argc, argv)) continue;
        const Tally before = tally();
        test.run();
        std::printf("%s: %d checks, %d failures\n", test.name, tally().checks - before.checks,
                    tally().failures - before.failures);
        ++ran;
    }
    std::printf("%d tests, %d checks, %d failures\n", ran, tally().checks, tally().failures);
    return ran > 0 && tally().checks > 0 && tally().failures == 0 ? 0 : 1;
}
