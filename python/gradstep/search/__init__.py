"""Many models trained side by side: what to try, which models share a pass, which go on, what came out.

`spaces` draws the parameters of trials, `groups` says which of them train together, `stopping` which
go on, `trials` what is known of each, `table` what came out; `search.Sweep` puts them together, and
`refining` calls it in rounds. `fused_search.FusedSearchCV` gives it the face of scikit-learn's
searches; `fold_scores` and `cv_results` are its scores and their table.
"""
