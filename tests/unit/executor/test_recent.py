from skillbox_executor.recent import Recent


def test_who_asked_lately_is_remembered() -> None:
    time = 0.0
    recent = Recent(lambda: time, seconds=10)
    recent.add("a")
    time = 6.0
    recent.add("b")
    assert list(recent.others("b")) == ["a"]
    assert list(recent.others("c")) == ["a", "b"]
    time = 9.0
    recent.add("a")
    time = 17.0
    assert "b" not in recent
    assert list(recent.others("b")) == ["a"]
    assert list(recent.others("a")) == []
