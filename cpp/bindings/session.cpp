#include <pybind11/stl.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <optional>
#include <tuple>
#include <variant>

#include "arrays.hpp"
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

void require_range(const PyRows& rows, Index most_rows, const Array<std::int32_t>& row_indices,
                   const Array<Index>& starts) {
    require(starts.ndim() == 1 && starts.size() >= 1 && starts.data()[0] == 0, "`starts` must begin with 0");
    const Index updates = starts.size() - 1, *start = starts.data();
    for (Index t = 0; t < updates; ++t)
        if (start[t + 1] <= start[t] || start[t + 1] - start[t] > most_rows)
            throw std::invalid_argument("`starts` must rise by 1 to " + std::to_string(most_rows) + ", got " +
                                        std::to_string(start[t + 1] - start[t]));
    require_shape(row_indices, "row_indices", start[updates]);
    if (row_indices.size() == 0) return;
    const auto [least, most] =
        std::minmax_element(row_indices.data(), row_indices.data() + row_indices.size());
    require(*least >= 0 && *most < rows.n(), "`row_indices` must name rows below " +
                                                 std::to_string(rows.n()) + ", got " +
                                                 std::to_string(*least < 0 ? *least : *most));
}

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

// One caller at a time: another thread that comes meanwhile gets an error.
class ExclusiveUse {
public:
    explicit ExclusiveUse(std::atomic<bool>& taken) : taken_(taken) {
        if (taken_.exchange(true)) throw std::runtime_error("a session is for one thread at a time");
    }
    ~ExclusiveUse() { taken_ = false; }
    ExclusiveUse(const ExclusiveUse&) = delete;
    ExclusiveUse& operator=(const ExclusiveUse&) = delete;

private:
    std::atomic<bool>& taken_;
};

// A session of either type, with the Python objects that its pointers lead into.
class PySession {
public:
    PySession(py::object models, py::object rows, Index most_rows, py::list evaluated, bool doubles,
              int n_threads, const std::optional<ImageTuple>& images)
        : models_(std::move(models)), rows_(std::move(rows)), evaluated_(std::move(evaluated)),
          most_rows_(most_rows), images_(images_of(images, py_rows())) {
        require(most_rows >= 1, "`most_rows` must be >= 1, got " + std::to_string(most_rows));
        require_fit(py_models(), py_rows());
        for (const py::handle set : evaluated_) require_fit(py_models(), set.cast<const PyRows&>());
        if (doubles)
            open<double>(n_threads);
        else
            open<float>(n_threads);
    }

    // Loss, hits and rows of the batches that were trained on, (3, m).
    Array<double> train(const Array<std::int32_t>& row_indices, const Array<Index>& starts,
                        const Array<double>& numbers, py::array parameters, py::array slots,
                        Array<Index> updates, Array<bool> finite,
                        const std::optional<Array<std::int16_t>>& draws, py::object should_stop) {
        const ExclusiveUse use(taken_);
        require_range(py_rows(), most_rows_, row_indices, starts);
        require(draws.has_value() == images_.has_value(), "`draws` go with `images`");
        if (draws) require_shape(*draws, "draws", row_indices.size(), 3);
        const Index m = py_models().m(), count = starts.size() - 1;
        require_shape(numbers, "numbers", m, count, 2, py_models().rule_numbers());
        require_shape(updates, "updates", m);
        require_shape(finite, "finite", m);
        const UpdateRange range{
            .updates = count,
            .row_indices = row_indices.data(),
            .starts = starts.data(),
            .numbers = numbers.data(),
            .draws = draws ? draws->data() : nullptr,
        };
        Array<double> sums({Index{3}, m});
        std::fill_n(sums.mutable_data(), sums.size(), 0.0);
        std::vector<Index> rows(static_cast<std::size_t>(m));
        StopQuery query{.should_stop = std::move(should_stop), .raised = nullptr};
        std::visit(
            [&]<class T>(const std::unique_ptr<Session<T>>& session) {
                const TrainingState<T> state{
                    .parameters = parameters_of<T>(parameters).mutable_data(),
                    .slots = slots_of<T>(slots).mutable_data(),
                    .updates = updates.mutable_data(),
                    .finite = reinterpret_cast<std::uint8_t*>(finite.mutable_data()),
                    .loss = sums.mutable_data(),
                    .hits = sums.mutable_data() + m,
                    .rows = rows.data(),
                };
                WithoutGil no_gil;
                query.no_gil = &no_gil;
                session->train(range, state, StopCallback{StopQuery::ask, &query});
            },
            session_);
        std::copy(rows.begin(), rows.end(), sums.mutable_data() + 2 * m);
        if (query.raised) std::rethrow_exception(query.raised);
        return sums;
    }

    // Loss, cost and hits on each set of evaluated rows, (sets, 3, m), and where asked the scores (m, n, k)
    // of each that they come from.
    py::tuple evaluate(const py::array& parameters, bool with_scores) {
        const ExclusiveUse use(taken_);
        const Index m = py_models().m(), sets = static_cast<Index>(evaluated_.size());
        Array<double> result({sets, Index{3}, m});
        std::vector<Metrics> metrics;
        for (double* at = result.mutable_data(); static_cast<Index>(metrics.size()) < sets; at += 3 * m)
            metrics.push_back({at, at + m, at + 2 * m});
        py::list scores;
        std::visit(
            [&]<class T>(const std::unique_ptr<Session<T>>& session) {
                const T* parameters_at = parameters_of<T>(parameters).data();
                std::vector<T*> scores_at;
                for (Index set = 0; with_scores && set < sets; ++set) {
                    const Index n =
                        evaluated_[static_cast<std::size_t>(set)].template cast<const PyRows&>().n();
                    Array<T> of_set({m, n, py_models().outputs()});
                    scores_at.push_back(of_set.mutable_data());
                    scores.append(std::move(of_set));
                }
                const WithoutGil no_gil;
                session->evaluate(parameters_at, metrics.data(), with_scores ? scores_at.data() : nullptr);
            },
            session_);
        return py::make_tuple(result, scores);
    }

private:
    const PyModels& py_models() const { return models_.cast<const PyModels&>(); }
    const PyRows& py_rows() const { return rows_.cast<const PyRows&>(); }

    template <class T>
    void open(int n_threads) {
        std::vector<Rows<T>> sets;
        for (const py::handle set : evaluated_) sets.push_back(set.cast<const PyRows&>().as<T>());
        session_ =
            std::make_unique<Session<T>>(py_models().as<T>(), py_rows().as<T>(), most_rows_, sets.data(),
                                         static_cast<Index>(sets.size()), n_threads, images_);
    }

    template <class T>
    Array<T> parameters_of(const py::array& parameters) const {
        require(py::isinstance<Array<T>>(parameters),
                "`parameters` must be C-contiguous and of the session's type");
        Array<T> own = py::reinterpret_borrow<Array<T>>(parameters);
        require_shape(own, "parameters", py_models().m(), py_models().parameters());
        return own;
    }

    template <class T>
    Array<T> slots_of(const py::array& slots) const {
        require(py::isinstance<Array<T>>(slots), "`slots` must be C-contiguous and of the session's type");
        Array<T> own = py::reinterpret_borrow<Array<T>>(slots);
        require_shape(own, "slots", py_models().m(), py_models().slots(), py_models().parameters());
        return own;
    }

    py::object models_;
    py::object rows_;
    py::list evaluated_;
    Index most_rows_;
    std::optional<Images> images_;
    std::atomic<bool> taken_{false};
    std::variant<std::unique_ptr<Session<float>>, std::unique_ptr<Session<double>>> session_;
};

}  // namespace

void register_session(py::module_& module) {
    py::class_<PySession>(module, "Session", "A training, with all that is kept between calls.")
        .def(py::init<py::object, py::object, Index, py::list, bool, int, const std::optional<ImageTuple>&>(),
             py::arg("models"), py::arg("rows"), py::arg("most_rows"), py::arg("evaluated"),
             py::arg("doubles"), py::arg("n_threads"), py::arg("images"))
        .def("train", &PySession::train,
             "Do consecutive updates in place on parameters, slots, updates and finite.",
             py::arg("row_indices").noconvert(), py::arg("starts").noconvert(),
             py::arg("numbers").noconvert(), py::arg("parameters"), py::arg("slots"),
             py::arg("updates").noconvert(), py::arg("finite").noconvert(), py::arg("draws").noconvert(),
             py::arg("should_stop"))
        .def("evaluate", &PySession::evaluate,
             "Loss, cost and hits on every set, (sets, 3, m), and the scores of each or none.",
             py::arg("parameters"), py::arg("with_scores"));
}

}  // namespace gradstep::bindings
