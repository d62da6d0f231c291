"""The web page: generated from the composed configuration. Nothing about a mode is written here.

catalogue.py says what can be chosen, forms.py turns a form into a Job, widgets.py a Field into a component, running.py runs
jobs in a line, handlers.py holds one endpoint a mode, cards.py, gallery.py and recipes.py what is shown, app.py and actions.py put it on a page,
start.py serves it.
Gradio is imported when the page is built.
"""
