"""Experiments on one caption of one photo, to find out what its maps are worth.

Attention shows where the network read the photo when it was about to speak; that alone is no proof of why a word won
(Jain and Wallace 2019; Wiegreffe and Pinter 2019). Each room asks one question:

    replaying    the log-probabilities of given words, whatever the photo is replaced by
    map_test     did this map matter? uniform, shuffled, cells deleted
    seen         was this word seen or guessed? with and without the photo
    second       does another way of asking point to the same place? gradient times activation
    erasing      what changes when a part of the photo is painted over?
    box_check    does the map lie on the thing? mass and hit beside a centre baseline
    shuffling    how do the maps look when the decoder's weights are shuffled?

Where to look, brushed by a person, is `captioner.gaze`; `Captioner.search` takes it.
"""
