"""Tests in one process, the program they test in another: what of each crosses to the other, and how.

Theory of operation. The program runs in its own slot as any program does, and then answers (`answering`): it is
called, and says what came of it. The tests run in a second slot (`testing`), where the names they ask of the program
are stand-ins (`standins`) that ask over a pair of pipes. So nothing of the tests is ever in the program's memory, and
nothing that the program does to its own interpreter reaches them. What comes from the program is JSON, read by exact
type and bounded (`reading`), because nobody can trust it; what goes to it is marshal, which its interpreter reads
without a module. Plain values cross as copies; anything else stays where it is, and a handle crosses. What was
expected of a result is never part of a question, so no object can learn it: a handle is equal to nothing but handles
of the same program.
"""
