import pytest

from skillbox_executor import environment


@pytest.mark.parametrize(
    "name",
    [
        "PATH", "path", "Home", "IFS", "ENV", "BASH_ENV", "LD_PRELOAD", "ld_preload", "PYTHONPATH",
        "pythonSTARTUP", "NODE_OPTIONS", "SANDBOX_INPUT", "SKILL_INSTRUCTIONS", "BASH_FUNC_x%%",
        "", "A=B", "A\0B",
    ],
)  # fmt: skip
def test_blocked_names(name: str) -> None:
    assert environment.blocked_name({"FINE": "1", name: "x"}) == name


@pytest.mark.parametrize("name", ["FOO", "MYPATH", "PYTHO", "LDX", "my-var", "ünï", "1"])
def test_other_names_pass(name: str) -> None:
    assert environment.blocked_name({name: "x"}) is None


def test_the_input_is_in_the_environment_up_to_the_limit_of_the_kernel() -> None:
    longest = environment.MAX_VARIABLE - len("SANDBOX_INPUT=") - 1
    assert "SANDBOX_INPUT" in environment.skill_environment("1" * longest, "", {})
    assert "SANDBOX_INPUT" not in environment.skill_environment("1" * (longest + 1), "", {})


def test_instructions_are_cut_between_characters() -> None:
    env = environment.skill_environment("{}", "é" * environment.MAX_VARIABLE, {})
    size = len(f"SKILL_INSTRUCTIONS={env['SKILL_INSTRUCTIONS']}".encode()) + 1
    assert environment.MAX_VARIABLE - 1 <= size <= environment.MAX_VARIABLE


def test_what_skillbox_sets_wins_over_the_caller() -> None:
    env = environment.skill_environment("{}", "", {"HOME": "/elsewhere", "FOO": "bar"})
    assert (env["HOME"], env["FOO"]) == ("/tmp", "bar")


@pytest.mark.parametrize("value", ["\0", "x" * environment.MAX_VARIABLE])
def test_values_that_no_program_can_be_given_are_found(value: str) -> None:
    assert environment.oversized_variable({"OK": "1", "BAD": value}) == "BAD"
