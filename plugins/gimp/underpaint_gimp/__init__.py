# SPDX-License-Identifier: GPL-3.0-or-later
"""underpaint in GIMP 3.

plugin       the procedures that GIMP knows, and what they do when called
├── arguments    their arguments, and how these become a request
├── remembered   the last prompt and settings, kept even when a job was cancelled
├── controls     layers that pictures keep to: in arguments, and with their image
├── dialog       what a person sees before a job
│   ├── controlrows  its list of controls
│   ├── controldialog  the same for a control layer
│   └── more         the same for a verb
├── ownverbs     the verbs that underpaint brings, as procedures
├── verbs        the verbs that plug-ins have added
├── runner       a verb from start to end, with GIMP's progress bar
│   ├── adapter      the host contract over libgimp
│   │   ├── documents    images and layers that are found again in another process
│   │   ├── pictures     reading and writing pixels
│   │   └── formats      GIMP's precisions as pixel formats
│   ├── preview      a small window with what is being painted
│   └── guard        cancels the job when GIMP kills us, which is how GIMP cancels a plug-in

GIMP starts a new process at every call. libgimp may be used on its main thread only.
"""
