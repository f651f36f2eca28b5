"""What users write: frames, groupings, windows, topics. Every verb returns a new frozen value.

Rule 1: nothing here touches the network, a file or a clock; a frame is a description.
Rule 2: a verb that makes no sense at this point does not exist on the class.
"""
