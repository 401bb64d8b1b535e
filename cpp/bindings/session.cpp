#include <pybind11/stl.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <tuple>
#include <variant>
#include <vector>

#include "arrays.hpp"
#include "exclusive_use.hpp"
#include "gil.hpp"
#include "gradstep/buffer.hpp"
#include "module.hpp"

namespace gradstep::bindings {
namespace {

// Asks Python whether to stop. Runs on the calling thread, inside the parallel region: what Python raises
// is kept until all threads are home.
struct StopQuery {
    py::object should_stop;
    WithoutGil* no_gil = nullptr;
    std::exception_ptr raised;

    static bool ask(void* context) noexcept {
        StopQuery& query = *static_cast<StopQuery*>(context);
        return query.no_gil->with_gil([&] { return query.answer(); });
    }

private:
    bool answer() {
        try {
            if (PyErr_CheckSignals() != 0) throw py::error_already_set();
            return should_stop().cast<bool>();
        } catch (const std::exception&) {
            raised = std::current_exception();
            return true;
        }
    }
};

// Which rows make up which batches, checked and kept.
struct Batches {
    std::vector<std::int32_t> row_indices;
    std::vector<Index> starts;

    Index updates() const { return static_cast<Index>(starts.size()) - 1; }

    void take(const PyRows& rows, Index most_rows, const Array<std::int32_t>& indices,
              const Array<Index>& given_starts) {
        require_shape(given_starts, "starts", given_starts.size());
        starts.assign(given_starts.data(), given_starts.data() + given_starts.size());
        require(!starts.empty() && starts.front() == 0, "`starts` must begin with 0");
        for (std::size_t t = 0; t + 1 < starts.size(); ++t)
            if (starts[t + 1] <= starts[t] || starts[t + 1] - starts[t] > most_rows)
                throw std::invalid_argument("`starts` must rise by 1 to " + std::to_string(most_rows) +
                                            ", got " + std::to_string(starts[t]) + " and " +
                                            std::to_string(starts[t + 1]));
        require_shape(indices, "row_indices", starts.back());
        row_indices.assign(indices.data(), indices.data() + indices.size());
        require_below(rows.n(), row_indices, "row_indices");
    }
};

// An image is (channels, height, width) and whether its edge goes on outside.
using ImageTuple = std::tuple<Index, Index, Index, bool>;

std::optional<Images> images_of(const std::optional<ImageTuple>& given, const PyRows& rows) {
    if (!given) return std::nullopt;
    const auto [channels, height, width, edge] = *given;
    require(channels >= 1 && height >= 1 && width >= 1 &&
                checked_product(checked_product(channels, height), width) == rows.d(),
            "`images` must be of " + std::to_string(rows.d()) + " pixels, got " + std::to_string(channels) +
                " x " + std::to_string(height) + " x " + std::to_string(width));
    return Images{channels, height, width, edge};
}

// Copies of where parts end, of so many updates in all.
std::vector<Index> ends_of(const Array<Index>& given, Index updates) {
    require(given.ndim() == 1 && given.size() > 0, "`part_ends` must have one dimension and an element");
    const std::vector<Index> ends(given.data(), given.data() + given.size());
    require(ends.front() >= 1 && ends.back() == updates &&
                std::adjacent_find(ends.begin(), ends.end(), std::greater_equal<>()) == ends.end(),
            "`part_ends` must ascend from 1 on to the number of updates, " + std::to_string(updates));
    return ends;
}

// A session of either type, with the Python objects that its pointers lead into.
class PySession {
public:
    PySession(std::shared_ptr<PyModels> models, std::shared_ptr<PyRows> rows, Index most_rows,
              std::vector<std::shared_ptr<PyRows>> evaluated, bool doubles, int n_threads,
              const std::optional<ImageTuple>& images)
        : models_(std::move(models)), rows_(std::move(rows)), evaluated_(std::move(evaluated)),
          most_rows_(most_rows), images_(images_of(images, *rows_)) {
        require(most_rows >= 1, "`most_rows` must be >= 1, got " + std::to_string(most_rows));
        require_fit(*models_, *rows_);
        for (const auto& set : evaluated_) require_fit(*models_, *set);
        if (doubles)
            open<double>(n_threads);
        else
            open<float>(n_threads);
    }

    // Loss, hits and rows of the batches that were trained on, (3, m, parts).
    Array<double> train(
        const Array<std::int32_t>& row_indices, const Array<Index>& starts, const Array<double>& numbers,
        py::array parameters, py::array slots, Array<Index> updates, Array<bool> finite,
        const std::optional<Array<std::int16_t>>& draws, const std::optional<Array<double>>& divisors,
        const std::optional<Array<double>>& penalties, const std::optional<Array<double>>& decays,
        const std::optional<Array<double>>& shares, py::object should_stop,
        const std::optional<Array<std::uint64_t>>& drop_keys, const std::optional<Array<Index>>& part_ends) {
        const ExclusiveUse use(taken_);
        batches_.take(*rows_, most_rows_, row_indices, starts);
        require(draws.has_value() == images_.has_value(), "`draws` go with `images`");
        if (draws) require_shape(*draws, "draws", row_indices.size(), 3);
        const Index m = models_->m(), count = batches_.updates();
        require_shape(numbers, "numbers", m, count, 2, models_->rule_numbers());
        if (divisors) require_shape(*divisors, "divisors", m, count);
        if (penalties) require_shape(*penalties, "penalties", m, count);
        require(drop_keys.has_value() == models_->drops(), "`drop_keys` go with `dropout`");
        if (drop_keys) require_shape(*drop_keys, "drop_keys", count, models_->layers());
        require(decays.has_value() == models_->clips(), "`decays` go with `limits`");
        if (decays) require_shape(*decays, "decays", m, count);
        require(shares.has_value() == models_->averages(), "`shares` go with `averages`");
        if (shares) require_shape(*shares, "shares", m, count);
        require_shape(updates, "updates", m);
        for (Index model = 0; model < m; ++model)
            require(updates.data()[model] >= 0 && updates.data()[model] <= kMostUpdates - count,
                    "`updates` must be from 0 to 2**62, got " + std::to_string(updates.data()[model]));
        require_shape(finite, "finite", m);
        const std::vector<Index> ends = part_ends ? ends_of(*part_ends, count) : std::vector<Index>{count};
        const Index parts = static_cast<Index>(ends.size()), sums_of_each = m * parts;
        const UpdateRange range{
            .updates = count,
            .row_indices = batches_.row_indices.data(),
            .starts = batches_.starts.data(),
            .numbers = numbers.data(),
            .draws = draws ? draws->data() : nullptr,
            .divisors = divisors ? divisors->data() : nullptr,
            .penalties = penalties ? penalties->data() : nullptr,
            .drop_keys = drop_keys ? drop_keys->data() : nullptr,
            .decays = decays ? decays->data() : nullptr,
            .shares = shares ? shares->data() : nullptr,
            .part_ends = ends.data(),
            .parts = parts,
        };
        Array<double> sums({Index{3}, m, parts});
        std::fill_n(sums.mutable_data(), sums.size(), 0.0);
        std::vector<Index> rows(static_cast<std::size_t>(sums_of_each));
        const MappedRead reading = rows_->reading();
        StopQuery query{.should_stop = std::move(should_stop), .raised = nullptr};
        std::visit(
            [&]<class T>(const std::unique_ptr<Session<T>>& session) {
                const TrainingState<T> state{
                    .parameters = parameters_of<T>(parameters).mutable_data(),
                    .slots = slots_of<T>(slots).mutable_data(),
                    .updates = updates.mutable_data(),
                    .finite = reinterpret_cast<std::uint8_t*>(finite.mutable_data()),
                    .loss = sums.mutable_data(),
                    .hits = sums.mutable_data() + sums_of_each,
                    .rows = rows.data(),
                };
                WithoutGil no_gil;
                query.no_gil = &no_gil;
                session->train(range, state, StopCallback{StopQuery::ask, &query});
            },
            session_);
        std::copy(rows.begin(), rows.end(), sums.mutable_data() + 2 * sums_of_each);
        if (query.raised) std::rethrow_exception(query.raised);
        require_read(reading);
        return sums;
    }

    // Loss, cost and hits on each set of evaluated rows, (sets, 3, m), and where asked the scores (m, n, k)
    // of each that they come from.
    py::tuple evaluate(const py::array& parameters, bool with_scores) {
        const ExclusiveUse use(taken_);
        const Index m = models_->m(), sets = static_cast<Index>(evaluated_.size());
        Array<double> result({sets, Index{3}, m});
        std::vector<Metrics> metrics;
        for (double* at = result.mutable_data(); static_cast<Index>(metrics.size()) < sets; at += 3 * m)
            metrics.push_back({at, at + m, at + 2 * m});
        py::list scores;
        std::vector<MappedRead> readings;
        for (const auto& set : evaluated_) readings.push_back(set->reading());
        std::visit(
            [&]<class T>(const std::unique_ptr<Session<T>>& session) {
                const T* parameters_at = parameters_of<T>(parameters).data();
                std::vector<T*> scores_at;
                for (Index set = 0; with_scores && set < sets; ++set) {
                    const Index n = evaluated_[static_cast<std::size_t>(set)]->n();
                    Array<T> of_set({m, n, models_->outputs()});
                    scores_at.push_back(of_set.mutable_data());
                    scores.append(std::move(of_set));
                }
                const WithoutGil no_gil;
                session->evaluate(parameters_at, metrics.data(), with_scores ? scores_at.data() : nullptr);
            },
            session_);
        for (const MappedRead& reading : readings) require_read(reading);
        return py::make_tuple(result, scores);
    }

private:
    template <class T>
    void open(int n_threads) {
        std::vector<Rows<T>> sets;
        for (const auto& set : evaluated_) sets.push_back(set->as<T>());
        session_ = std::make_unique<Session<T>>(models_->as<T>(), rows_->as<T>(), most_rows_, sets.data(),
                                                static_cast<Index>(sets.size()), n_threads, images_);
    }

    template <class T>
    Array<T> parameters_of(const py::array& parameters) const {
        require(py::isinstance<Array<T>>(parameters),
                "`parameters` must be C-contiguous and of the session's type");
        Array<T> own = py::reinterpret_borrow<Array<T>>(parameters);
        require_shape(own, "parameters", models_->m(), models_->parameters());
        return own;
    }

    template <class T>
    Array<T> slots_of(const py::array& slots) const {
        require(py::isinstance<Array<T>>(slots), "`slots` must be C-contiguous and of the session's type");
        Array<T> own = py::reinterpret_borrow<Array<T>>(slots);
        require_shape(own, "slots", models_->m(), models_->slots(), models_->parameters());
        return own;
    }

    static constexpr Index kMostUpdates = Index{1} << 62;

    const std::shared_ptr<PyModels> models_;
    const std::shared_ptr<PyRows> rows_;
    const std::vector<std::shared_ptr<PyRows>> evaluated_;
    Batches batches_;
    Index most_rows_;
    std::optional<Images> images_;
    std::atomic<bool> taken_{false};
    std::variant<std::unique_ptr<Session<float>>, std::unique_ptr<Session<double>>> session_;
};

}  // namespace

void register_session(py::module_& module) {
    py::class_<PySession, std::shared_ptr<PySession>>(module, "Session",
                                                      "A training, with all that is kept between calls.")
        .def(py::init<std::shared_ptr<PyModels>, std::shared_ptr<PyRows>, Index,
                      std::vector<std::shared_ptr<PyRows>>, bool, int, const std::optional<ImageTuple>&>(),
             py::arg("models"), py::arg("rows"), py::arg("most_rows"), py::arg("evaluated"),
             py::arg("doubles"), py::arg("n_threads"), py::arg("images"))
        .def("train", of_made(&PySession::train),
             "Do consecutive updates in place on parameters, slots, updates and finite.",
             py::arg("row_indices").noconvert(), py::arg("starts").noconvert(),
             py::arg("numbers").noconvert(), py::arg("parameters"), py::arg("slots"),
             py::arg("updates").noconvert(), py::arg("finite").noconvert(), py::arg("draws").noconvert(),
             py::arg("divisors").noconvert(), py::arg("penalties").noconvert(), py::arg("decays").noconvert(),
             py::arg("shares").noconvert(), py::arg("should_stop"),
             py::arg("drop_keys").noconvert() = py::none(), py::arg("part_ends").noconvert() = py::none())
        .def("evaluate", of_made(&PySession::evaluate),
             "Loss, cost and hits on every set, (sets, 3, m), and the scores of each or none.",
             py::arg("parameters"), py::arg("with_scores"));
}

}  // namespace gradstep::bindings
