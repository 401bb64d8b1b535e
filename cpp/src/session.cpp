// A training: who trains which models, and what is kept between calls.
#include <algorithm>
#include <chrono>
#include <deque>
#include <optional>

#include "digest.hpp"
#include "forward.hpp"
#include "track.hpp"

namespace gradstep {
namespace {

// How long threads go on before all of them meet, in updates: so many that they take about 20 ms. At a
// meeting thread 0 decides whether to stop, so that all models stop at one update; no result depends on it.
class Pace {
public:
    void begin(Poll poll, Index updates) {
        poll_ = poll;
        asked_ = met_ = Clock::now();
        updates_ = updates;
        end_ = 0;
        set_out();
    }

    // The update to meet at; none is left to do where it is done already.
    Index end() const { return end_; }

    // By thread 0, while the others wait.
    void meet() {
        const Clock::time_point now = Clock::now();
        const std::chrono::duration<double> taken = now - met_, wanted = std::chrono::milliseconds(20);
        const double longer = std::min(8.0, wanted / std::max(taken, wanted / 8));
        length_ = std::max(Index{1}, static_cast<Index>(static_cast<double>(end_ - begin_) * longer));
        met_ = now;
        if (now - asked_ >= std::chrono::milliseconds(40)) {
            asked_ = now;
            if (poll_.ask && poll_.ask(poll_.context)) updates_ = end_;
        }
        set_out();
    }

private:
    using Clock = std::chrono::steady_clock;

    void set_out() {
        begin_ = end_;
        end_ = std::min(updates_, begin_ + length_);
    }

    Poll poll_{};
    Clock::time_point asked_, met_;
    Index updates_ = 0, begin_ = 0, end_ = 0;
    Index length_ = 1;
};

Index ceiling(Index a, Index b) { return (a + b - 1) / b; }

// Into how many lanes of equal teams a team is cut, each with a share of the models: so that the longest
// takes least. Threads of one lane share out the inputs and wait for each other at every update, which costs
// a quarter.
int lanes_of(Index m, int team) {
    const auto time = [=](int lanes) {
        const int threads = team / lanes;
        return static_cast<double>(ceiling(m, lanes)) / threads * (threads > 1 ? 1.25 : 1.0);
    };
    int best = 1;
    for (int lanes = 2; lanes <= std::min<Index>(m, team); ++lanes)
        if (team % lanes == 0 && time(lanes) < time(best)) best = lanes;
    return best;
}

}  // namespace

template <class T>
class Session<T>::Parts {
public:
    Parts(const Models<T>& models, const Rows<T>& rows, Index most_rows, const Rows<T>* evaluated,
          Index count, int n_threads, std::optional<Images> images)
        : models_(models), rows_(rows), evaluated_(evaluated, evaluated + count), most_rows_(most_rows),
          n_threads_(n_threads), images_(images), network_(models_, &rows_) {}

    void train(const Stretch& stretch, const Progress<T>& progress, Poll poll) {
        prepare_team();
        if (lanes_.empty()) lay_tracks();
        pace_.begin(poll, stretch.updates);
        const bool packed = holds(progress.parameters);
        parallel(team_, [&](int thread, int) { run(stretch, progress, packed, thread); });
        hold(progress.parameters);
    }

    void evaluate(const T* parameters, const Figures* figures) {
        prepare_team();
        if (!forward_)
            forward_.emplace(models_, network_, evaluated_.data(), static_cast<Index>(evaluated_.size()),
                             team_, Gives::figures);
        const bool packed = holds(parameters);
        if (!packed || forward_->packs_factor()) held_.reset();
        forward_->evaluate(parameters, figures, packed);
    }

private:
    // Whether the network still has these parameters, from a training that gave them.
    bool holds(const T* parameters) const { return held_ && *held_ == digest_of(parameters, bytes()); }
    void hold(const T* parameters) { held_ = digest_of(parameters, bytes()); }
    std::size_t bytes() const {
        return sizeof(T) * static_cast<std::size_t>(models_.m * models_.layers.parameters);
    }

    // A forked child has a team of one, whatever its parent had.
    void prepare_team() {
        const int team = team_size(n_threads_);
        if (team == team_) return;
        lanes_.clear();
        forward_.reset();
        team_ = team;
    }

    // A track's weights go through the caches twice an update: a lane has several where they would be too
    // many.
    void lay_tracks() {
        constexpr Index kTrackBytes = 5 << 19;
        lanes_.resize(static_cast<std::size_t>(lanes_of(models_.m, team_)));
        const int lanes = static_cast<int>(lanes_.size());
        for (int lane = 0; lane < lanes; ++lane) {
            const Share own(models_.m, lane, lanes);
            const Index count = own.end - own.begin;
            const Index bytes = checked_product(count, models_.layers.parameters * Index{sizeof(T)});
            const int tracks = static_cast<int>(std::clamp(ceiling(bytes, kTrackBytes), Index{1}, count));
            for (int track = 0; track < tracks; ++track) {
                const Share part(count, track, tracks);
                lanes_[static_cast<std::size_t>(lane)].emplace_back(
                    models_, rows_, network_, Share(own.begin + part.begin, own.begin + part.end), most_rows_,
                    team_ / lanes, images_);
            }
        }
    }

    void run(const Stretch& stretch, const Progress<T>& progress, bool packed, int thread) {
        const int threads = team_ / static_cast<int>(lanes_.size()), member = thread % threads;
        std::deque<Track<T>>& tracks = lanes_[static_cast<std::size_t>(thread / threads)];
        if (member == 0)
            for (Track<T>& track : tracks) track.begin(progress, packed);
        meeting_.wait(team_);
        for (Index t = 0; t < pace_.end();) {
            const Index end = pace_.end();
            for (Track<T>& track : tracks) track.train(stretch, t, end, member);
            t = end;
            meeting_.wait(team_);
            if (thread == 0) pace_.meet();
            meeting_.wait(team_);
        }
        if (member == 0)
            for (const Track<T>& track : tracks) track.end(progress);
    }

    const Models<T> models_;
    const Rows<T> rows_;
    const std::vector<Rows<T>> evaluated_;
    const Index most_rows_;
    const int n_threads_;
    const std::optional<Images> images_;
    int team_ = 0;
    Network<T> network_;
    std::vector<std::deque<Track<T>>> lanes_;  // of threads; each trains its tracks one after the other
    Barrier meeting_;
    Pace pace_;
    std::optional<Forward<T>> forward_;
    std::optional<Digest> held_;  // of what a training gave last, while the network has it
};

template <class T>
Session<T>::Session(const Models<T>& models, const Rows<T>& rows, Index most_rows, const Rows<T>* evaluated,
                    Index count, int n_threads, std::optional<Images> images)
    : parts_(std::make_unique<Parts>(models, rows, most_rows, evaluated, count, n_threads, images)) {}

template <class T>
Session<T>::~Session() = default;

template <class T>
void Session<T>::train(const Stretch& stretch, const Progress<T>& progress, Poll poll) {
    parts_->train(stretch, progress, poll);
}

template <class T>
void Session<T>::evaluate(const T* parameters, const Figures* figures) {
    parts_->evaluate(parameters, figures);
}

template class Session<float>;
template class Session<double>;

}  // namespace gradstep
