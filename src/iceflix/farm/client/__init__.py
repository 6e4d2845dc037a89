"""The farm's client: one request at a time or many, by CORBA or by Ice, and the dialogue."""
