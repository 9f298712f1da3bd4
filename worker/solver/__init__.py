"""One job: prompt, generate, run, judge, feed back."""
