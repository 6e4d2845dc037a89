"""The farm measured beside other ways to spread the same work (F45): ``iceflix compare``."""
