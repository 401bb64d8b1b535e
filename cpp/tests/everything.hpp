// All that the core computes of the rows of a case.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "fixture.hpp"

namespace gradstep::tests {

template <class T>
struct Everything {
    Outcome<T> trained;
    std::vector<double> metrics, metrics_of_session, metrics_of_batch;
    std::vector<T> scores, scores_of_session, gradient;

    bool operator==(const Everything&) const = default;
};

template <class T, class Element>
Everything<T> everything(Fixture<T, Element>& f, const Rows<T>& rows, const std::string& isa, int n_threads,
                         std::optional<Images> images) {
    const std::size_t m = static_cast<std::size_t>(f.c.m);
    const std::vector<T> no_scores(m * static_cast<std::size_t>(f.c.n * f.c.k));
    Everything<T> all{Outcome<T>(f), std::vector<double>(3 * m), {}, {}, no_scores, no_scores, f.parameters};
    all.metrics_of_session = all.metrics_of_batch = all.metrics;
    const auto at = [m](std::vector<double>& numbers) {
        return Metrics{numbers.data(), numbers.data() + m, numbers.data() + 2 * m};
    };
    const T* parameters = f.parameters.data();
    evaluate(f.models(isa), rows, parameters, at(all.metrics), n_threads);
    scores(f.models(isa), rows, parameters, all.scores.data(), n_threads);
    const std::vector<std::uint8_t> active(m, 1);
    FullBatch<T>(f.models(isa), rows, n_threads)
        .loss_and_gradient(parameters, active.data(), at(all.metrics_of_batch), all.gradient.data());

    std::vector<std::int16_t> draws;
    for (int r = 0; r < f.c.n; ++r)
        for (const int draw : {r % 2, r % 3 - 1, r % 5 - 2}) draws.push_back(static_cast<std::int16_t>(draw));
    UpdateRange range = f.range();
    if (images) range.draws = draws.data();
    Session<T> session(f.models(isa), rows, f.c.b, &rows, 1, n_threads, images);
    session.train(range, all.trained.state(), {never, nullptr});
    const Metrics metrics = at(all.metrics_of_session);
    T* const to = all.scores_of_session.data();
    session.evaluate(parameters, &metrics, &to);
    return all;
}

}  // namespace gradstep::tests
