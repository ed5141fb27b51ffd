import os
import warnings

import numpy as np
import onnxruntime as ort
import pytest

from emolens.errors import OptionError
from emolens.models import session as room
from emolens.models.classifier import Classifier
from emolens.models.session import Net, cores, open_session
from fakes import evoked_model, linear_model, noise


def test_the_device_is_named_and_another_one_than_hoped_for_is_told(tmp_path, monkeypatch):
    path = linear_model(tmp_path / "m.onnx")
    providers = ort.get_available_providers()
    if "CUDAExecutionProvider" in providers:
        pytest.skip("CUDA is here and would start")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Classifier.load(path).provider in providers
    monkeypatch.setattr(ort, "get_available_providers", lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"])
    with pytest.warns(RuntimeWarning, match="CUDAExecutionProvider did not start, CPUExecutionProvider is used"):
        assert Classifier.load(path).provider == "CPUExecutionProvider"


def test_the_number_of_threads_comes_from_the_environment(tmp_path, monkeypatch):
    path = linear_model(tmp_path / "m.onnx")
    monkeypatch.setenv("EMOLENS_THREADS", "1")
    assert open_session(path).get_session_options().intra_op_num_threads == 1
    assert open_session(path, threads=2).get_session_options().intra_op_num_threads == 2
    monkeypatch.setenv("EMOLENS_THREADS", "many")
    with pytest.raises(OptionError, match="EMOLENS_THREADS is 'many'"):
        open_session(path)


def test_a_net_on_one_core_runs_in_the_thread_that_calls_it_and_says_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(room, "cores", lambda: 2)
    model = Classifier.load(linear_model(tmp_path / "m.onnx"), threads=2)
    alone = model.on_one_core()
    assert alone._session.get_session_options().intra_op_num_threads == 1
    np.testing.assert_allclose(alone.logits(noise(5)), model.logits(noise(5)), atol=1e-5)
    assert model.on_one_core()._session is alone._session
    monkeypatch.setattr(room, "cores", lambda: 1)
    net = Net(tmp_path / "m.onnx")
    assert net.one_core is net.all_cores


def test_one_core_takes_a_few_frames_in_a_run(tmp_path, monkeypatch):
    class Noted:
        def __init__(self, session) -> None:
            self.session, self.rows = session, []

        def run(self, names, inputs):
            self.rows.append(len(next(iter(inputs.values()))))
            return self.session.run(names, inputs)

    monkeypatch.setattr(room, "cores", lambda: 2)
    model = Classifier.load(linear_model(tmp_path / "m.onnx"))
    alone = model.on_one_core()
    alone._session = noted = Noted(alone._session)
    np.testing.assert_allclose(alone.logits(noise(20)), model.logits(noise(20)), atol=1e-5)
    assert noted.rows == [8, 8, 4]


def test_a_large_batch_is_dealt_out_to_the_cores_and_comes_back_in_order(tmp_path, monkeypatch):
    monkeypatch.setattr(room, "cores", lambda: 3)
    model = Classifier.load(evoked_model(tmp_path / "m.onnx"))
    for count in (16, 23, 24, 31):  # eight a core at the least: two parts, two, three, three
        pictures = noise(count, colours=3)
        whole = model.answers(pictures, model.outputs, batch_size=count)
        alone = model.on_one_core().answers(pictures, model.outputs, batch_size=5)
        for name in model.outputs:
            np.testing.assert_allclose(whole[name], alone[name], atol=1e-5)
    assert "one_core" in vars(model._net)


@pytest.mark.parametrize(("count", "threads"), [(15, None), (100, 1)])
def test_a_small_batch_and_one_for_one_thread_are_not_dealt_out(tmp_path, monkeypatch, count, threads):
    monkeypatch.setattr(room, "cores", lambda: 3)
    model = Classifier.load(linear_model(tmp_path / "m.onnx"), threads)
    model.logits(noise(count), batch_size=100)
    assert "one_core" not in vars(model._net)  # no second session was opened


def test_sessions_share_their_memory_also_where_somebody_opened_it_before(tmp_path):
    room._open_shared_memory.__wrapped__()
    room._open_shared_memory.__wrapped__()
    options = open_session(linear_model(tmp_path / "m.onnx")).get_session_options()
    assert options.get_session_config_entry("session.use_env_allocators") == "1"


def test_no_more_cores_are_used_than_are_allowed(monkeypatch):
    monkeypatch.delenv("EMOLENS_THREADS", raising=False)
    here = cores()
    assert 1 <= here <= (os.cpu_count() or 1)
    for named, used in (("1", 1), ("1000", here), ("0", here)):
        monkeypatch.setenv("EMOLENS_THREADS", named)
        assert cores() == used


def test_a_number_of_threads_that_no_machine_has_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("EMOLENS_THREADS", "99999999999")
    with pytest.raises(OptionError, match="up to 1024"):
        open_session(linear_model(tmp_path / "m.onnx"))
