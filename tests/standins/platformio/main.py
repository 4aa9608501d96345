"""Stand-in for a platform's builder: the compiler is GCC's of the environment."""

import os

from SCons.Script import Default, DefaultEnvironment

env = DefaultEnvironment()
prefix, flags = os.environ["STANDIN_PREFIX"], os.environ["STANDIN_FLAGS"].split()
env.Replace(
    AR=f"{prefix}ar", CC=f"{prefix}gcc", CXX=f"{prefix}g++", LINK=f"{prefix}gcc",
    RANLIB=f"{prefix}ranlib", PROGSUFFIX=".elf",
)  # fmt: skip
env.Append(
    CCFLAGS=[*flags, "-Os", "-Wall", "-Wextra", "-Werror"],
    CFLAGS=["-std=gnu11"],
    CXXFLAGS=["-std=gnu++17", "-fno-exceptions", "-fno-rtti"],
    LINKFLAGS=[*flags, *os.environ["STANDIN_LINKING"].split()],
    LIBS=["m"],
)
Default([env.BuildProgram()])
