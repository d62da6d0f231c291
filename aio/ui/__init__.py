"""The web page: generated from the composed configuration. Nothing about a mode is written here.

catalogue.py says what can be chosen, forms.py turns a form into a Job, widgets.py a Field into a component, running.py runs
a job, handlers.py holds one endpoint a mode, cards.py, gallery.py and recipes.py what is shown, app.py and actions.py put it on a page.
start.py and serving.py serve it: reach.py says to whom, door.py asks for a password, gate.py and calls.py stand before gradio's server,
guard.py and inbox.py let in only files added to the page, visitors.py counts what each visitor asks for, words.py tells what went wrong.
Gradio is imported when the page is built.
"""
