"""Many models trained side by side: what to try, which models share a pass, which go on, what came out.

`spaces` draws the parameters of trials, `trials` has what is known of each, `data` the rows that all of
them share, `folds` which of those each is trained on, `transformed` what a pipeline's steps make of them,
`tables` what becomes of a table's columns in folds.
`groups` says which models train together, `tasks` what the training of such a group is as values, `pruners`
which trials go on; `runner.run_trials` trains them. On it stand `sweep.Sweep`, which `coarse_to_fine` calls
in rounds and `optuna` in batches that a study proposes (`study_space`, `study_batch`), and
`fused_search.FusedSearchCV`, which has the face of scikit-learn's searches: `candidates`, `steps` and
`pipelines`, `scorers`, `fold_scores`, `cv_results` and `best_estimator` are its parts. `results` is the
table of what came out.
"""
