"""Stand-in for the framework arduino: the core beside this file."""

import os

from SCons.Script import DefaultEnvironment

env = DefaultEnvironment()
core = os.path.join(env.PioPlatform().get_dir(), "core")
env.Append(CPPPATH=[core], CPPDEFINES=["ARDUINO"])
env.BuildSources(os.path.join("$BUILD_DIR", "core"), core)
