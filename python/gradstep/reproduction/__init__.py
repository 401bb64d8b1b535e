"""The experiments of the five course reports, trained again and held against what the reports say.

`experiments` has every one, in the words of `schema`; `runner` trains them, `verdicts`
puts what came out beside the reports' numbers, `pictures`, `page` and `markdown` show it. It sits on
top of everything and owns no mathematics.
"""
