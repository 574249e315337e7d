"""Words that users of Keras, Lightning, Hugging Face, scikit-learn, PyTorch and Optuna type, and what does it here.

``SYNONYMS`` are read as the field: they mean the same, with the same values. ``HINTS`` are answers, where no field has
that meaning, or several do, or its values are of another form.
"""

# One that could mean two fields, such as "gamma", is not among them.
SYNONYMS = {
    "arch": "model",
    "architecture": "model",
    "network": "model",
    "dataset": "data",
    "opt": "optimizer",
    "optim": "optimizer",
    "scheduler": "schedule",
    "lr_schedule": "schedule",
    "lr_scheduler": "schedule",
    "lr_scheduler_type": "schedule",
    "augmentation": "augment",
    "data_dir": "data.directory",
    "data_path": "data.directory",
    "val_fraction": "data.validation_fraction",
    "val_split": "data.validation_fraction",
    "validation_split": "data.validation_fraction",
    "in_channels": "data.channels",
    "hidden": "model.hidden_units",
    "units": "model.hidden_units",
    "hidden_size": "model.hidden_units",
    "hidden_sizes": "model.hidden_units",
    "hidden_dim": "model.hidden_units",
    "hidden_layer_sizes": "model.hidden_units",
    "dropout": "model.dropout_rate",
    "batchnorm": "model.batch_norm",
    "batch_normalization": "model.batch_norm",
    "kernel_initializer": "model.initializer",
    "lr": "optimizer.learning_rate",
    "learning_rate_init": "optimizer.learning_rate",
    "wd": "optimizer.weight_decay",
    "clipnorm": "optimizer.global_clipnorm",
    "clip_norm": "optimizer.global_clipnorm",
    "max_grad_norm": "optimizer.global_clipnorm",
    "gradient_clip_val": "optimizer.global_clipnorm",
    "beta1": "optimizer.beta_1",
    "beta2": "optimizer.beta_2",
    "adam_beta1": "optimizer.beta_1",
    "adam_beta2": "optimizer.beta_2",
    "eps": "optimizer.epsilon",
    "adam_epsilon": "optimizer.epsilon",
    "epoch": "training.epochs",
    "nb_epoch": "training.epochs",
    "nb_epochs": "training.epochs",
    "num_epochs": "training.epochs",
    "n_epochs": "training.epochs",
    "max_epochs": "training.epochs",
    "num_train_epochs": "training.epochs",
    "bs": "training.batch_size",
    "batch": "training.batch_size",
    "train_batch_size": "training.batch_size",
    "per_device_train_batch_size": "training.batch_size",
    "early_stopping_patience": "training.patience",
    "n_iter_no_change": "training.patience",
    "smoothing": "training.label_smoothing",
    "label_smoothing_factor": "training.label_smoothing",
    "log_every_n_steps": "training.log_every_steps",
    "log_interval": "training.log_every_steps",
    "logging_steps": "training.log_every_steps",
    "xla": "training.jit_compile",
    "node_rank": "training.instance_index",
    "mlflow_uri": "tracking.uri",
    "tracking_uri": "tracking.uri",
    "experiment_name": "tracking.experiment",
    "run_name": "name",
    "description": "note",
    "output_dir": "output",
    "output_path": "output",
    "out_dir": "output",
    "save_dir": "output",
    "auto_resume": "resume",
    "resume_from": "resume",
    "resume_from_checkpoint": "resume",
    "random_seed": "seed",
    "random_state": "seed",
}

_DEVICE = "TensorFlow takes a GPU where there is one; CUDA_VISIBLE_DEVICES='' keeps to the CPU"
_INSTANCES = "config/resource.json names the job's instances, and a run trains on all; instances=ignore on the first"
_DATA_IN_MEMORY = "all data lies in memory, and no process loads it"
_PRECISION = "precision=bfloat16 computes in it, with weights in float32; jit_compile chooses XLA"
_LOSS = "the loss is cross-entropy; label_smoothing changes it"
_KEPT = "the best epoch's model is kept in any case; objective says by which metric"
_START = "init_model=PATH starts from the weights of a model"
_SHAPE = "the data says so; of pictures in folders height and width"
_LOGS = "they lie in the output's logs/ and tensorboard/"
_STEPS = "epochs says how long to train, max_seconds at most how long"
_TEST = "data.test_fraction, where there are no test files"
HINTS = {
    **dict.fromkeys(
        ("device", "devices", "gpu", "gpus", "num_gpus", "n_gpu", "cuda", "no_cuda", "use_cpu", "accelerator"), _DEVICE
    ),
    **dict.fromkeys(("num_workers", "workers", "dataloader_num_workers", "pin_memory", "prefetch"), _DATA_IN_MEMORY),
    **dict.fromkeys(("num_nodes", "nnodes", "strategy", "ddp", "world_size"), _INSTANCES),
    **dict.fromkeys(("fp16", "bf16", "amp", "mixed_precision"), _PRECISION),
    **dict.fromkeys(("loss", "criterion", "loss_fn", "class_weight"), _LOSS),
    **dict.fromkeys(("metrics", "monitor", "scoring"), "loss and accuracy are measured; objective says what is best"),
    **dict.fromkeys(("save_model", "save_steps", "save_best_only", "save_strategy", "checkpoint_dir"), _KEPT),
    **dict.fromkeys(("pretrained", "weights", "ckpt", "ckpt_path",
                     "model_name_or_path", "load_model", "warm_start"), _START),
    **dict.fromkeys(("num_classes", "input_shape", "image_size", "img_size", "input_dim", "output_dim"), _SHAPE),
    **dict.fromkeys(("log_dir", "logdir", "logging_dir", "tensorboard", "wandb", "logger", "report_to"), _LOGS),
    **dict.fromkeys(("steps", "max_steps", "max_iter", "num_steps", "train_steps", "steps_per_epoch"), _STEPS),
    **dict.fromkeys(("test_size", "test_split"), _TEST),
    **dict.fromkeys(("batch_size_eval", "eval_batch_size", "val_batch_size", "test_batch_size",
                     "per_device_eval_batch_size"), "the size of a batch in validation changes no result"),
    **dict.fromkeys(("accumulate_grad_batches", "gradient_accumulation_steps"), "choose a larger batch_size"),
    **dict.fromkeys(("eval_steps", "evaluation_strategy", "eval_strategy", "check_val_every_n_epoch",
                     "validation_freq"), "each epoch is validated"),
    **dict.fromkeys(("early_stopping", "early_stop", "earlystopping"), "patience=3 ends when 3 epochs improve nothing"),
    **dict.fromkeys(("callbacks", "callback"), "patience ends early, schedule changes the learning rate; the best"
                    " epoch's model is kept in any case"),
    **dict.fromkeys(("trainer", "fit", "train"), "its settings are fields of training, such as epochs and batch_size"),
    **dict.fromkeys(("transform", "transforms", "augmentations", "data_augmentation"), "augment=shift or affine"),
    **dict.fromkeys(("num_layers", "n_layers", "layers"), "hidden_units=[128,64] is two layers; of a CNN, filters"),
    **dict.fromkeys(("warmup", "warmup_steps", "warmup_ratio"), "schedule=cosine has warmup_epochs"),
    **dict.fromkeys(("n_trials", "n_jobs", "sampler", "pruner", "study_name", "storage"), "studies have it, as"
                    " hydra.sweeper.n_trials and so on; sweeps=mlp chooses one"),
    "betas": "beta_1 and beta_2, a number each",
    "gamma": "schedule=exponential has a field for the decay",
    "amsgrad": "optimizer=adam is without it",
    "tag": "tags.<key>=VALUE is one tag, such as tags.owner=anna",
    "labels": "tags.<key>=VALUE is one tag, such as tags.owner=anna",
    "project": "tracking.experiment=NAME",
    "solver": "optimizer chooses it",
    "tol": "patience ends a training that does not improve",
    "shuffle": "each epoch shuffles the training examples, by seed",
    "verbose": "train.log in the run's directory has all; hydra.verbose=true has more",
    "dry_run": "debug=smoke tries every part in seconds; of a study, hydra.sweeper.dry_run=true",
}  # fmt: skip
